"""Runs an installed model over a manifest: scores by part and source, and a row of predictions an image."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.catalog import LoadedClassifier
from models.contract import ModelCard, SetScores
from models.datasets.manifest import EXTERNAL, ImageRow
from models.datasets.pixel_cache import decode
from models.evaluation.answers import answers_of
from models.evaluation.by_source import answers_to_unknown_labels, scores_by_source
from models.evaluation.metrics import score
from models.preprocessing import finish_common

CHUNK = 16


class RowChoice(StrEnum):
    """Which rows of a manifest are read."""

    ALL = "all"
    EXTERNAL = "external"
    HELD_OUT = "held-out"
    """The recipe's own validation groups and the external rows: nothing that the weights were fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestReport:
    """What a model says about a manifest."""

    rows: tuple[ImageRow, ...]
    probabilities: Tensor
    """(n, labels), calibrated."""
    overall: dict[str, SetScores]
    """By part."""
    by_source: dict[str, dict[str, SetScores]]
    unknown_labels: dict[str, dict[str, int]]


def report_on(
    classifier: LoadedClassifier, rows: Sequence[ImageRow], root: Path, advance: Callable[[int, int], None]
) -> ManifestReport:
    """Read every row, files relative to ``root``; rows of unknown labels are counted by the answer."""
    logits = _logits(classifier, rows, root, advance)
    card = classifier.card
    known = np.array([row.label in card.labels for row in rows])
    parts = sorted({row.part for row, k in zip(rows, known, strict=True) if k})
    overall: dict[str, SetScores] = {}
    by_source: dict[str, dict[str, SetScores]] = {}
    for part in parts:
        chosen = known & np.array([row.part == part for row in rows])
        some = [row for row, keep in zip(rows, chosen, strict=True) if keep]
        theirs = logits[torch.from_numpy(chosen)]
        overall[part] = score(
            answers_of(some, theirs, card.labels, card.temperature), seed=card.training.seed
        )
        by_source[part] = scores_by_source(
            some, theirs, card.labels, temperature=card.temperature, seed=card.training.seed
        )
    return ManifestReport(
        rows=tuple(rows),
        probabilities=torch.softmax(logits / card.temperature, dim=1),
        overall=overall,
        by_source=by_source,
        unknown_labels=answers_to_unknown_labels(rows, logits, card.labels),
    )


def choose_rows(
    rows: Sequence[ImageRow], choice: RowChoice, held_out: frozenset[str]
) -> tuple[ImageRow, ...]:
    """Return the rows to read; ``held_out`` names the files of the recipe's validation rows."""
    match choice:
        case RowChoice.ALL:
            return tuple(rows)
        case RowChoice.EXTERNAL:
            return tuple(row for row in rows if row.part == EXTERNAL)
        case RowChoice.HELD_OUT:
            return tuple(row for row in rows if row.part == EXTERNAL or row.file in held_out)


def write_predictions(report: ManifestReport, card: ModelCard, path: Path) -> None:
    """Write ``file, label, source, part, group, predicted, p_<label>...``, a row an image."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["file", "label", "source", "part", "group", "predicted", *(f"p_{x}" for x in card.labels)]
        )
        for row, probabilities in zip(report.rows, report.probabilities.tolist(), strict=True):
            best = card.labels[int(np.argmax(probabilities))]
            figures = [f"{p:.6f}" for p in probabilities]
            writer.writerow([row.file, row.label, row.source, row.part, row.group, best, *figures])


def _logits(
    classifier: LoadedClassifier, rows: Sequence[ImageRow], root: Path, advance: Callable[[int, int], None]
) -> Tensor:
    spec = classifier.card.preprocessing
    parts: list[Tensor] = []
    for first in range(0, len(rows), CHUNK):
        pixels = np.stack([decode(root / row.file, spec) for row in rows[first : first + CHUNK]])
        grey = torch.from_numpy(pixels).float() / 255
        parts.append(classifier.engine.run(finish_common(grey, spec)).logits)
        advance(min(first + CHUNK, len(rows)), len(rows))
    return torch.cat(parts) if parts else torch.empty(0, len(classifier.card.labels))
