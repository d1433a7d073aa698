"""Image manifests (CSV): what a picture shows, its source and patient, and whether it may train."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import DataMissing, ManifestInvalid

REQUIRED_COLUMNS = frozenset({"file", "label", "source", "group", "part"})
TRAIN, EXTERNAL = "train", "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class CropBox:
    """The part of a picture that is looked at, in its own pixels; right and bottom lie outside."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One picture of a manifest."""

    file: str
    label: str
    source: str
    group: str
    part: str
    sha256: str
    licence: str = ""
    crop: CropBox | None = None

    @property
    def stratum(self) -> tuple[str, str]:
        """Label and source, which a split keeps in proportion."""
        return self.label, self.source


def read_manifest(path: Path) -> tuple[ImageRow, ...]:
    """Read a manifest; ``sha256`` is optional, the other columns are not.

    Raises
    ------
    DataMissing
        There is no such file.
    ManifestInvalid
        A column is missing or a row has no file or label.
    """
    if not path.is_file():
        raise DataMissing(path)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = REQUIRED_COLUMNS - set(reader.fieldnames or ())
        if missing:
            raise ManifestInvalid(path, f"columns missing: {', '.join(sorted(missing))}")
        return tuple(_row(path, number, fields) for number, fields in enumerate(reader, start=2))


def _row(path: Path, number: int, fields: dict[str, str]) -> ImageRow:
    if not fields["file"] or not fields["label"]:
        raise ManifestInvalid(path, f"line {number} has no file or no label")
    return ImageRow(
        file=fields["file"],
        label=fields["label"],
        source=fields["source"],
        group=fields["group"] or fields["file"],
        part=fields["part"],
        sha256=fields.get("sha256") or "",
        licence=fields.get("licence") or "",
    )


def trainable(
    rows: Iterable[ImageRow], labels: Sequence[str], sources: Sequence[str]
) -> tuple[ImageRow, ...]:
    """Return the rows that may train: part ``train``, known label and source, no group of an external set.

    The same film can be in a training collection and in an external one under one group; those are left out
    so that the external figures stay external.
    """
    everything = tuple(rows)
    outside = {row.group for row in everything if row.part == EXTERNAL}
    return tuple(
        row
        for row in everything
        if row.part == TRAIN and row.label in labels and row.source in sources and row.group not in outside
    )


def external(rows: Iterable[ImageRow]) -> tuple[ImageRow, ...]:
    """Return the rows of other collections: reported on, never trained on."""
    return tuple(row for row in rows if row.part == EXTERNAL)
