"""Tiny pictures in the folders that a public release has."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.datasets.manifest import ImageRow


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that draws pictures below a folder and returns the folder."""

    def drawn(*names: str) -> Path:
        root = tmp_path / "release"
        root.mkdir(exist_ok=True)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), 90).save(path)
        return root

    return drawn


@pytest.fixture
def row_of() -> Callable[..., ImageRow]:
    """Return a function that makes a row of which only some words matter."""

    def made(file: str, label: str = "x", *, group: str = "", source: str = "s") -> ImageRow:
        return ImageRow(file=file, label=label, source=source, group=group or file, part="train", sha256="")

    return made
