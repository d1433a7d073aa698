"""Pictures with an obvious lesion, and both project manifests made of them."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from models.datasets.manifest import ImageRow

FILM_STRATA = (
    ("covid19", "hannover"),
    ("covid19", "covid-cxnet"),
    ("tuberculosis", "tb-rahman"),
    ("normal", "tb-rahman"),
    ("pneumonia_bacterial", "kermany"),
    ("pneumonia_viral", "kermany"),
    ("normal", "kermany"),
    ("normal", "nih-chestxray8"),
    ("pneumonia_unspecified", "nih-chestxray8"),
)
SLICE_STRATA = (
    ("covid19", "sars-cov-2-ct-soares"),
    ("non_covid", "sars-cov-2-ct-soares"),
    ("covid19", "covid19-ct-ucsd"),
    ("non_covid", "covid19-ct-ucsd"),
)
SIDE = 32
PICTURES = 8


def lesion(label: str, draw: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a dark picture with a bright disc whose place and size follow from the label."""
    centre = 6 + sum(label.encode()) % 20
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - centre) ** 2 + (columns - SIDE + centre) ** 2 < 25
    return np.where(disc, 240, draw.integers(0, 50, (SIDE, SIDE))).astype(np.uint8)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cxr.csv and ct.csv: four patients a label and source, two pictures each."""
    root = tmp_path_factory.mktemp("data")
    write_manifest(root, "cxr.csv", FILM_STRATA)
    write_manifest(root, "ct.csv", SLICE_STRATA)
    return root


def write_manifest(root: Path, name: str, strata: Sequence[tuple[str, str]]) -> None:
    draw = np.random.default_rng(3)
    with (root / name).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "source", "group", "part"])
        for label, source in strata:
            for number in range(PICTURES):
                file = f"{name[:-4]}-{label}-{source}-{number}.png"
                Image.fromarray(lesion(label, draw)).save(root / file)
                writer.writerow([file, label, source, f"{source}-{label}-{number // 2}", "train"])


@pytest.fixture
def make_row() -> Callable[..., ImageRow]:
    def make(label: str, source: str, group: str, number: int = 0) -> ImageRow:
        return ImageRow(
            file=f"{label}-{source}-{group}-{number}.png",
            label=label,
            source=source,
            group=group,
            part="train",
            sha256="",
        )

    return make
