"""``docs/models.md``: every installed model's figures from its card, with the commands that made them."""

from collections.abc import Iterable, Sequence

from models.contract import ImageKind, KeyFigure, ModelCard, SetScores
from models.evaluation.tables import (
    MISSING,
    baselines_table,
    comparison_table,
    figure,
    table,
    verdict,
)

_KINDS = {ImageKind.CHEST_RADIOGRAPH: "Chest films", ImageKind.CHEST_CT: "Chest CT"}
_BY_ACCURACY = frozenset({"sars-cov-2-ct", "covid19-ct"})
"""Questions whose published figure is an accuracy."""

_INTRODUCTION = """\
# Models

<!-- Written by `dicom-node models report`; do not edit. -->

**Research use only.** Nothing here is a medical device, and no clinical sensitivity or specificity follows
from any figure: class and source coincide in these data, so every figure is in part recognition of a source.
Beside the figures stands what a logistic regression tells from the outer four pixels of a 32 x 32 thumbnail,
which show almost no lung ("border only"), and from the whole thumbnail, in balanced accuracy.

Figures are of groups (patients, as far as known) that were held out, with 95 % intervals by group bootstrap.
The model answers freely among all of its labels; the regressions choose between the classes asked about.
"""


def page(cards: Sequence[ModelCard]) -> str:
    """Return the page for these models."""
    parts = [_INTRODUCTION]
    for kind, heading in _KINDS.items():
        theirs = [card for card in cards if card.kind is kind]
        if theirs:
            parts += [f"## {heading}\n", _overview(theirs), "", *_questions(theirs), *_external(theirs)]
            parts += [*_comparisons(theirs), *_borders(theirs)]
    parts += ["## How the figures were made\n", *(_made(card) for card in cards), _AGAIN]
    return "\n".join(parts)


def _overview(cards: Iterable[ModelCard]) -> str:
    return table(
        ("model", "network", "parameters", "MB", "macro F1", "balanced accuracy", "mean ROC AUC", "ECE"),
        [
            (
                f"{card.name} {card.version}",
                f"`{card.network}`",
                f"{card.parameters:,}",
                f"{card.megabytes:.2f}",
                figure(card.validation.macro_f1),
                figure(card.validation.balanced_accuracy),
                figure(card.validation.roc_auc),
                figure(card.validation.expected_calibration_error),
            )
            for card in cards
        ],
    )


def _questions(cards: Sequence[ModelCard]) -> list[str]:
    """Return a table a question."""
    titles = {f.name: f.title for card in cards for f in card.key_figures}
    found: list[str] = []
    for name, title in titles.items():
        rows = [(card, f) for card in cards for f in card.key_figures if f.name == name]
        head = ("model", "part", "rows (groups)", _measure(name), "border only", "thumbnail", "by class")
        found += [f"### {title}\n", table(head, [_question_row(card, f) for card, f in rows]), ""]
    return found


def _measure(name: str) -> str:
    return "accuracy, balanced accuracy" if name in _BY_ACCURACY else "balanced accuracy"


def _question_row(card: ModelCard, found: KeyFigure) -> tuple[str, ...]:
    balanced = figure(found.balanced_accuracy)
    measured = f"{figure(found.accuracy)}, {balanced}" if found.name in _BY_ACCURACY else balanced
    return (
        card.name,
        found.part,
        f"{found.rows} ({found.groups})",
        measured,
        figure(found.border),
        figure(found.thumbnail),
        "; ".join(f"{name} {figure(share)}" for name, share in found.sensitivities.items()),
    )


def _external(cards: Iterable[ModelCard]) -> list[str]:
    """Return the sensitivities on rows of collections that no training saw, source by source."""
    rows = [
        (card.name, source, card.title_of(label), str(row.rows), figure(row.sensitivity), _rest(scores))
        for card in cards
        for source, scores in card.external.items()
        for label, row in scores.labels.items()
    ]
    if not rows:
        return ["There are no external rows.\n"]
    head = ("model", "external source", "label", "rows", "sensitivity", "balanced accuracy")
    return ["### External sources\n", table(head, rows), ""]


def _rest(scores: SetScores) -> str:
    return figure(scores.balanced_accuracy) if scores.balanced_accuracy else MISSING


def _comparisons(cards: Iterable[ModelCard]) -> list[str]:
    found: list[str] = []
    for card in cards:
        if card.compared is not None:
            told = verdict(card.compared.overall.macro_f1)
            found += [
                f"### {card.name} less {card.compared.other}: {told}\n",
                comparison_table(card.compared),
            ]
            found.append("")
    return found


def _borders(cards: Sequence[ModelCard]) -> list[str]:
    """Return the border baselines; models of one kind are tested on the same rows and share them."""
    seen: dict[str, str] = {}
    for card in cards:
        seen.setdefault(baselines_table(card.border_baselines), card.name)
    found: list[str] = []
    for text, name in seen.items():
        found += [f"### Border baselines (as in the card of {name})\n", text, ""]
    return found


def _made(card: ModelCard) -> str:
    training = card.training
    train = f"`dicom-node models train {card.name}`"
    seen = ""
    if training.validation_seen:
        train += f", `dicom-node models train {card.name} --refit`"
        seen = " The figures are of the first run; the shipped weights went on with the validation rows too."
    return (
        f"- {train}, then `dicom-node models export {card.name}`: "
        f"{training.epochs:g} epochs, {training.hours:g} h on {training.device}, seed {training.seed}, "
        f"{training.date}, code {training.code_commit[:12]}, `{training.manifest}` SHA-256 "
        f"{training.manifest_sha256[:12]}….{seen}"
    )


_AGAIN = """
Measured again on any folder with `file` and `label` columns:

```sh
dicom-node models evaluate NAME --manifest FILE.csv --predictions OUT.csv --out RUN_FOLDER
dicom-node models compare NAME BASELINE --manifest FILE.csv
dicom-node models floor cxr   # or ct: frozen ImageNet features on the same split
dicom-node models report --out docs/models.md
```
"""
