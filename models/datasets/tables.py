"""Metadata tables that releases come with: CSV, and the first sheet of an Excel workbook."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from models.datasets.image_files import IMAGE_SUFFIXES, FolderNotAsReleased
from models.errors import ManifestInvalid

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_COLUMN = re.compile(r"[A-Z]+")


def read_table(path: Path) -> tuple[Mapping[str, str], ...]:
    """Return a table's rows by lower-case column name.

    Raises
    ------
    FolderNotAsReleased
        There is no such file.
    ManifestInvalid
        It is neither a CSV file nor a workbook, or it is empty.
    """
    if not path.is_file():
        raise FolderNotAsReleased(path.parent, path.name)
    lines = list(_workbook_lines(path) if path.suffix.lower() == ".xlsx" else _csv_lines(path))
    if not lines:
        raise ManifestInvalid(path, "the table is empty")
    columns = [name.strip().lower() for name in lines[0]]
    padding = [""] * len(columns)
    return tuple(dict(zip(columns, [*line, *padding], strict=False)) for line in lines[1:] if any(line))


def patients_by_file(path: Path, *, file: Sequence[str], patient: Sequence[str]) -> dict[str, str]:
    """Return each picture's patient by the picture's name without suffix.

    Parameters
    ----------
    path
        The table.
    file, patient
        Names that the two columns go by, in order of preference; case does not matter.

    Raises
    ------
    ManifestInvalid
        A column is missing.
    """
    rows = read_table(path)
    names = _column(path, rows, file), _column(path, rows, patient)
    pairs = ((row.get(names[0], "").strip(), row.get(names[1], "").strip()) for row in rows)
    return {stem(picture): who for picture, who in pairs if picture and who}


def stem(name: str) -> str:
    """Return a picture's name without a picture's suffix; ``a.2020-p1`` has none and stays whole."""
    path = Path(name)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def _column(path: Path, rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    there = frozenset(rows[0]) if rows else frozenset()
    found = next((name.lower() for name in names if name.lower() in there), None)
    if found is None:
        raise ManifestInvalid(path, f"no column called {' or '.join(names)}")
    return found


def _csv_lines(path: Path) -> Iterator[Sequence[str]]:
    # Figure1-COVID-chestxray-dataset is in ISO-8859-1, the others in UTF-8; what we read is ASCII in all.
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        yield from csv.reader(stream)


def _workbook_lines(path: Path) -> Iterator[Sequence[str]]:
    """Read ECMA-376 Part 1, 18.3 (worksheets) and 18.4 (shared strings), as far as plain tables need."""
    try:
        with ZipFile(path) as book:
            shared = _shared_strings(book)
            sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314  (expat bounds entity growth)
    except (BadZipFile, KeyError, ElementTree.ParseError) as error:
        raise ManifestInvalid(path, "not a readable workbook") from error
    for line in sheet.iter(f"{_SHEET}row"):
        cells = {_place(cell): _text(cell, shared) for cell in line.iter(f"{_SHEET}c")}
        yield [cells.get(place, "") for place in range(max(cells, default=-1) + 1)]


def _shared_strings(book: ZipFile) -> tuple[str, ...]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return ()
    table = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314  (expat bounds entity growth)
    return tuple(_joined(item) for item in table.iter(f"{_SHEET}si"))


def _text(cell: ElementTree.Element, shared: Sequence[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _joined(cell)
    value = cell.findtext(f"{_SHEET}v") or ""
    return shared[int(value)] if cell.get("t") == "s" and value else value


def _joined(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_SHEET}t"))


def _place(cell: ElementTree.Element) -> int:
    """Return a cell's column counted from 0: ``AB7`` is 27."""
    letters = _COLUMN.match(cell.get("r", "A"))
    place = 0
    for letter in letters.group() if letters else "A":
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1
