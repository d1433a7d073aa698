"""Which rows are measured: of the project's manifests, or of any folder with the same columns."""

import csv
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from models.datasets.manifest import EXTERNAL, ImageRow
from models.errors import DataMissing, ManifestInvalid

NEEDED = ("file", "label")
WITHOUT_PART, WITHOUT_SOURCE = "all", "unnamed"


class RowChoice(StrEnum):
    """Which rows of a manifest are read."""

    ALL = "all"
    EXTERNAL = "external"
    HELD_OUT = "held-out"
    """The recipe's own validation groups and the external rows: nothing that the weights were fitted on."""


def read_rows(path: Path) -> tuple[ImageRow, ...]:
    """Read any manifest: ``file`` and ``label`` are needed, a label may be empty, other columns may lack.

    Without a group a picture is a group of its own, so intervals of such manifests are too narrow where a
    patient has several pictures.

    Raises
    ------
    DataMissing
        There is no such file.
    ManifestInvalid
        It is no table of UTF-8 text, a needed column is missing, or a row names no file.
    """
    if not path.is_file():
        raise DataMissing(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise ManifestInvalid(path, f"columns missing: {', '.join(missing)}")
            return tuple(_row(path, number, fields) for number, fields in enumerate(reader, start=2))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestInvalid(path, f"not a table of UTF-8 text ({error})") from error


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


def _row(path: Path, number: int, fields: dict[str, str | None]) -> ImageRow:
    file = fields["file"]
    if not file:
        raise ManifestInvalid(path, f"line {number} names no file")
    return ImageRow(
        file=file,
        label=fields["label"] or "",
        source=fields.get("source") or WITHOUT_SOURCE,
        group=fields.get("group") or file,
        part=fields.get("part") or WITHOUT_PART,
        sha256=fields.get("sha256") or "",
        licence=fields.get("licence") or "",
    )
