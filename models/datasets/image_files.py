"""Folders of pictures as they were released: finding them, and reading them in a natural order."""

import re
from collections.abc import Iterable
from pathlib import Path

from models.errors import DataMissing

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
_DIGITS = re.compile(r"(\d+)")


class FolderNotAsReleased(DataMissing):
    """A data set's folder lacks what the public release has; the message says what was looked for."""

    def __init__(self, path: Path, expected: str) -> None:
        super().__init__(path)
        self.args = (f"{path} is not laid out as released: expected {expected}",)
        self.expected = expected


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Order ``Covid (2)`` before ``Covid (10)``, whatever the file system says."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name) if part)


def is_picture(path: Path) -> bool:
    """Whether a file has a picture's suffix and is not a hidden leftover of an archive (``._x.png``)."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def pictures_below(folder: Path) -> tuple[Path, ...]:
    """Return every picture of a folder and of the folders in it, in natural order."""
    found = (path for path in folder.rglob("*") if is_picture(path) and path.is_file())
    return tuple(sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix())))


def names_in(folder: Path) -> frozenset[str]:
    """Return the names of a folder's pictures: one listing, where a question a file would take minutes."""
    if not folder.is_dir():
        return frozenset()
    return frozenset(path.name for path in folder.iterdir() if is_picture(path))


def find_folder(root: Path, *names: str) -> Path | None:
    """Return the first of the folders that is there; upper and lower case are one."""
    if not root.is_dir():
        return None
    there = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def need_folder(root: Path, *names: str) -> Path:
    """Return the first of the folders that is there.

    Raises
    ------
    FolderNotAsReleased
        None of them is.
    """
    folder = find_folder(root, *names)
    if folder is None:
        raise FolderNotAsReleased(root, f"a folder {_either(names)}")
    return folder


def find_file(root: Path, *names: str) -> Path | None:
    """Return the first of the files that is there."""
    return next((root / name for name in names if (root / name).is_file()), None)


def _either(names: Iterable[str]) -> str:
    return " or ".join(f"{name}/" for name in names)
