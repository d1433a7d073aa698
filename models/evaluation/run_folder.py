"""An evaluation as files: CSV of every table and PNG of every curve, a folder a part."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from models.contract import Difference, Estimate, ModelComparison, SetScores
from models.evaluation.answers import AnsweredRows
from models.evaluation.calibration_error import ReliabilityBin, reliability
from models.evaluation.charts import draw_confusion, draw_reliability, draw_roc
from models.evaluation.manifest_report import ManifestReport, known_in
from models.evaluation.metrics import Answers
from models.evaluation.predictions import write_predictions
from models.evaluation.ranking import Ranking, RocCurve
from models.evaluation.resampling import resample
from models.evaluation.tables import Titles

Cells = Sequence[object]
_INTERVAL = ("value", "low", "high")
SEED = 20261122
"""Of the reliability diagram's intervals."""


def write_report(report: ManifestReport, titles: Titles, folder: Path) -> None:
    """Write ``report.json``, ``predictions.csv``, the tables, and a folder of curves for each part."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_dict(report), indent=2, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    write_predictions(report.answered, folder / "predictions.csv")
    _write(folder / "scores.csv", ("part", "source", "figure", *_INTERVAL), _score_lines(report))
    _write(
        folder / "labels.csv", ("part", "source", "label", "rows", "figure", *_INTERVAL), _label_lines(report)
    )
    _write(
        folder / "confusion.csv", ("part", "source", "label", "answered", "rows"), _confusion_lines(report)
    )
    _write(
        folder / "operating_points.csv",
        ("part", "label", "threshold", "figure", *_INTERVAL),
        _point_lines(report),
    )
    _write(
        folder / "border_baselines.csv",
        ("part", "task", "seen", "rows", "chance", *_INTERVAL),
        _baseline_lines(report),
    )
    for part in report.overall:
        rows = report.answered.where(known_in(report.answered, part))
        _write_curves(report, rows, part, titles, folder / file_name(part))


def as_dict(report: ManifestReport) -> dict[str, object]:
    """Return the figures for JSON."""
    return {
        "rows": len(report.answered.rows),
        "notes": list(report.notes),
        "parts": {part: scores.model_dump(mode="json") for part, scores in report.overall.items()},
        "by_source": {
            part: {source: scores.model_dump(mode="json") for source, scores in sources.items()}
            for part, sources in report.by_source.items()
        },
        "key_figures": [one.model_dump(mode="json") for one in report.key_figures],
        "operating_points": {
            part: {label: at.model_dump(mode="json") for label, at in points.items()}
            for part, points in report.operating_points.items()
        },
        "border_baselines": {
            part: [one.model_dump(mode="json") for one in some]
            for part, some in report.border_baselines.items()
        },
        "unknown_labels": report.unknown_labels,
    }


def write_comparison(comparison: ModelComparison, path: Path) -> None:
    """Write the differences as CSV."""
    sets: Mapping[str, Difference] = {"all": comparison.overall, **comparison.by_source}
    lines = [
        (name, one.rows, one.groups, title, *_figures(estimate))
        for name, one in sets.items()
        for title, estimate in (
            ("macro F1", one.macro_f1),
            ("balanced accuracy", one.balanced_accuracy),
            ("accuracy", one.accuracy),
        )
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, ("rows of", "rows", "groups", "difference of", *_INTERVAL), lines)


def _write_curves(
    report: ManifestReport, rows: AnsweredRows, part: str, titles: Titles, folder: Path
) -> None:
    folder.mkdir(exist_ok=True)
    scores, answers = report.overall[part], rows.answers()
    draw_confusion(scores, titles, f"{part}: {scores.rows} rows", folder / "confusion.png")
    curves = roc_curves(answers)
    if curves:
        draw_roc(curves, scores, titles, folder / "roc.png")
        _write(folder / "roc.csv", ("label", "false_positive_rate", "sensitivity"), _curve_lines(curves))
    right = answers.answer == answers.truth
    resamples = resample(answers.groups, seed=SEED)
    bins = reliability(answers.probabilities.max(axis=1), right, resamples)
    draw_reliability(bins, scores, folder / "reliability.png")
    head = ("low", "high", "rows", "confidence", "accuracy", "accuracy_low", "accuracy_high")
    _write(folder / "reliability.csv", head, _bin_lines(bins))


def roc_curves(answers: Answers) -> dict[str, RocCurve]:
    """Return the curve of each label that occurs among others."""
    found: dict[str, RocCurve] = {}
    for k, label in enumerate(answers.labels):
        positive = answers.truth == k
        if positive.any() and not positive.all():
            found[label] = Ranking(answers.probabilities[:, k], positive).curve()
    return found


def _score_lines(report: ManifestReport) -> Iterable[Cells]:
    for part, source, scores in _sets(report):
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "expected_calibration_error"):
            yield part, source, name, *_figures(getattr(scores, name))


def _label_lines(report: ManifestReport) -> Iterable[Cells]:
    for part, source, scores in _sets(report):
        for label, row in scores.labels.items():
            for name in ("precision", "sensitivity", "specificity", "f1", "roc_auc"):
                yield part, source, label, row.rows, name, *_figures(getattr(row, name))


def _confusion_lines(report: ManifestReport) -> Iterable[Cells]:
    for part, source, scores in _sets(report):
        for label, counts in scores.confusion.items():
            for answered, rows in counts.items():
                yield part, source, label, answered, rows


def _point_lines(report: ManifestReport) -> Iterable[Cells]:
    for part, points in report.operating_points.items():
        for label, at in points.items():
            yield part, label, at.threshold, "sensitivity", *_figures(at.sensitivity)
            yield part, label, at.threshold, "specificity", *_figures(at.specificity)


def _baseline_lines(report: ManifestReport) -> Iterable[Cells]:
    for part, some in report.border_baselines.items():
        for one in some:
            yield part, one.task, "border", one.rows, one.chance, *_figures(one.border)
            yield part, one.task, "whole thumbnail", one.rows, one.chance, *_figures(one.thumbnail)


def _curve_lines(curves: Mapping[str, RocCurve]) -> Iterable[Cells]:
    for label, curve in curves.items():
        for far, sensitivity in zip(curve.false_positive_rate, curve.sensitivity, strict=True):
            yield label, f"{far:.5f}", f"{sensitivity:.5f}"


def _bin_lines(bins: Iterable[ReliabilityBin]) -> Iterable[Cells]:
    for one in bins:
        if one.rows:
            stretch = f"{one.low:.4f}", f"{one.high:.4f}"
            yield *stretch, one.rows, f"{one.confidence:.4f}", *_figures(one.accuracy)


def _sets(report: ManifestReport) -> Iterable[tuple[str, str, SetScores]]:
    """Yield part, source and scores; the source is ``all`` for a part as a whole."""
    for part, scores in report.overall.items():
        yield part, "all", scores
        for source, theirs in report.by_source[part].items():
            yield part, source, theirs


def _figures(estimate: Estimate | None) -> tuple[float | str, float | str, float | str]:
    if estimate is None:
        return "", "", ""
    low, high = estimate.low, estimate.high
    return estimate.value, "" if low is None else low, "" if high is None else high


def file_name(part: str) -> str:
    """Return a part's name as a folder or file may be called."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", part).strip("-") or "part"


def _write(path: Path, head: Cells, lines: Iterable[Cells]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(lines)
