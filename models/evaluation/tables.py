"""Figures as Markdown tables: on the terminal, in cards and in the documentation."""

from collections.abc import Mapping, Sequence

from models.contract import (
    AppliedPoint,
    BorderBaseline,
    Difference,
    Estimate,
    KeyFigure,
    LabelScores,
    ModelComparison,
    OperatingPoint,
    SetScores,
)

Titles = Mapping[str, str]
"""Labels in the model's order, with their names for people."""
MISSING = "n/a"


def figure(estimate: Estimate | None) -> str:
    """Return a figure with its interval, as far as there is one."""
    if estimate is None:
        return MISSING
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def gain(estimate: Estimate | None) -> str:
    """Return a difference with its sign and interval."""
    if estimate is None:
        return MISSING
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rule = "|---" * len(head) + "|"
    return "\n".join([_line(head), rule, *(_line(cells) for cells in rows)])


def scores_table(titles: Titles, scores: SetScores, baseline: BorderBaseline | None = None) -> str:
    """Return one set of scores, its confusion matrix and, where it is known, what the border alone tells."""
    labels = table(
        ("label", "rows", "precision", "sensitivity", "specificity", "F1", "ROC AUC"),
        [_label_row(titles[label], row) for label, row in scores.labels.items()],
    )
    answered = table(
        ("is", *titles.values()),
        [(titles[is_], *(str(counts[said]) for said in titles)) for is_, counts in scores.confusion.items()],
    )
    return "\n".join([f"{_summary(scores, baseline)}\n", labels, "\nAnswered as:\n", answered, ""])


def baselines_table(baselines: Sequence[BorderBaseline]) -> str:
    """Return what the border and the whole thumbnail tell, task by task, in balanced accuracy."""
    return table(
        ("task", "border only", "whole thumbnail", "chance", "rows"),
        [
            (
                b.task,
                figure(b.border or Estimate(value=b.border_only)),
                figure(b.thumbnail or Estimate(value=b.whole_thumbnail)),
                f"{b.chance:.2f}",
                str(b.rows or MISSING),
            )
            for b in baselines
        ],
    )


def key_figures_table(figures: Sequence[KeyFigure]) -> str:
    """Return the papers' questions with the border baseline beside them."""
    return table(
        (
            "question",
            "part",
            "rows (groups)",
            "balanced accuracy",
            "border only",
            "thumbnail",
            "accuracy",
            "sensitivity by class",
        ),
        [
            (
                f.title.replace(" / ", ", "),
                f.part,
                f"{f.rows} ({f.groups})",
                figure(f.balanced_accuracy),
                figure(f.border),
                figure(f.thumbnail),
                figure(f.accuracy),
                "; ".join(f"{name} {figure(share)}" for name, share in f.sensitivities.items()),
            )
            for f in figures
        ],
    )


def operating_points_table(
    titles: Titles, points: Mapping[str, OperatingPoint] | Mapping[str, AppliedPoint]
) -> str:
    """Return thresholds with their sensitivity and specificity."""
    return table(
        ("label", "threshold", "sensitivity", "specificity"),
        [
            (titles[label], f"{at.threshold:.4f}", figure(at.sensitivity), figure(at.specificity))
            for label, at in points.items()
        ],
    )


def comparison_table(comparison: ModelComparison) -> str:
    """Return the differences over all rows and by source."""
    sets = {"all": comparison.overall, **comparison.by_source}
    return table(
        ("rows of", "rows (groups)", "macro F1", "balanced accuracy", "accuracy"),
        [_difference_row(name, one) for name, one in sets.items()],
    )


def verdict(gain: Estimate | None) -> str:
    """Say in words whether a difference lies outside its interval."""
    if gain is None or gain.low is None or gain.high is None:
        return "cannot be told"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no difference outside the interval"


def unknown_labels_list(unknown: Mapping[str, Mapping[str, int]]) -> str:
    """Return how rows of labels without a class were answered."""
    lines = [
        f"- {name}: " + ", ".join(f"{label} {n}" for label, n in counts.items())
        for name, counts in unknown.items()
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _summary(scores: SetScores, baseline: BorderBaseline | None) -> str:
    parts = [
        f"{scores.rows} rows of {scores.groups} groups. Accuracy {figure(scores.accuracy)}",
        *_named("balanced accuracy", scores.balanced_accuracy),
        *_named("macro F1", scores.macro_f1),
        *_named("mean ROC AUC", scores.roc_auc),
        *_named("expected calibration error", scores.expected_calibration_error),
    ]
    beside = (
        f"\n\nBorder only, balanced accuracy between {len(baseline.labels)} labels: "
        f"{figure(baseline.border)}; whole thumbnail {figure(baseline.thumbnail)}; chance "
        f"{baseline.chance:.2f}."
        if baseline
        else ""
    )
    return f"{', '.join(parts)}.{beside}"


def _named(name: str, estimate: Estimate | None) -> tuple[str, ...]:
    return (f"{name} {figure(estimate)}",) if estimate else ()


def _label_row(title: str, row: LabelScores) -> tuple[str, ...]:
    figures = (row.precision, row.sensitivity, row.specificity, row.f1, row.roc_auc)
    return title, str(row.rows), *(figure(e) for e in figures)


def _difference_row(name: str, one: Difference) -> tuple[str, ...]:
    return (
        name,
        f"{one.rows} ({one.groups})",
        gain(one.macro_f1),
        gain(one.balanced_accuracy),
        gain(one.accuracy),
    )
