"""A row of predictions an image, as CSV: how an unseen set is checked and models are compared."""

import csv
from pathlib import Path

import numpy as np

from models.datasets.manifest import ImageRow
from models.errors import DataMissing, ManifestInvalid
from models.evaluation.answers import AnsweredRows

COLUMNS = ("file", "label", "source", "part", "group", "predicted")
PROBABILITY = "p_"
RECORDED = "held_out_predictions.csv"
"""Beside the weights: answers to rows that the run which gave them never saw, as they were at export."""


def write_predictions(answered: AnsweredRows, path: Path) -> None:
    """Write ``file, label, source, part, group, predicted, p_<label>...``, a row an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*COLUMNS, *(f"{PROBABILITY}{label}" for label in answered.labels)])
        told = zip(answered.rows, answered.predicted, answered.probabilities.tolist(), strict=True)
        for row, predicted, probabilities in told:
            figures = [f"{p:.6f}" for p in probabilities]
            writer.writerow([row.file, row.label, row.source, row.part, row.group, predicted, *figures])


def read_predictions(path: Path) -> AnsweredRows:
    """Read what ``write_predictions`` wrote; ``predicted`` follows from the probabilities.

    Raises
    ------
    DataMissing
        There is no such file.
    ManifestInvalid
        Columns are missing or a probability is no number.
    """
    if not path.is_file():
        raise DataMissing(path)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        names = tuple(reader.fieldnames or ())
        labels = tuple(n.removeprefix(PROBABILITY) for n in names if n.startswith(PROBABILITY))
        if not set(COLUMNS) <= set(names) or len(labels) < 2:
            raise ManifestInvalid(path, f"no predictions: columns are {', '.join(names)}")
        lines = list(reader)
    try:
        figures = [[float(line[f"{PROBABILITY}{label}"]) for label in labels] for line in lines]
    except ValueError as error:
        raise ManifestInvalid(path, f"a probability is no number ({error})") from error
    return AnsweredRows(
        rows=tuple(_row(line) for line in lines),
        labels=labels,
        probabilities=np.array(figures, dtype=np.float64).reshape(len(lines), len(labels)),
    )


def _row(line: dict[str, str]) -> ImageRow:
    return ImageRow(
        file=line["file"],
        label=line["label"],
        source=line["source"],
        group=line["group"],
        part=line["part"],
        sha256="",
    )
