"""Small made picture folders and a recipe small enough to train in seconds."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.preprocessing_spec import Preprocessing
from models.training.recipe import Augmentation, Optimiser, Phase, Recipe

COLUMNS = ("file", "label", "source", "group", "part", "sha256", "licence")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@dataclass(frozen=True)
class MadeRow:
    """A picture to be drawn: its label decides where the bright square is."""

    label: str
    source: str
    group: str
    part: str = "train"


@pytest.fixture
def draw_folder(tmp_path: Path) -> Callable[[str, Sequence[MadeRow]], Path]:
    """Return a function that draws a folder of pictures and its manifest, and returns the folder."""

    def draw(manifest: str, rows: Sequence[MadeRow]) -> Path:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        labels = sorted({row.label for row in rows})
        noise = np.random.default_rng(5)
        with (root / manifest).open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for number, row in enumerate(rows):
                place = labels.index(row.label) * 8
                pixels = noise.integers(0, 60, (44, 40), dtype=np.uint8)
                pixels[place : place + 12, 4:36] = 230
                name = f"{manifest.removesuffix('.csv')}_{number}.png"
                Image.fromarray(pixels).save(root / name)
                writer.writerow([name, row.label, row.source, row.group, row.part, "", "made here"])
        return root

    return draw


@pytest.fixture
def tiny_recipe() -> Recipe:
    """Two labels, 40 pixels, both optimisers."""
    return Recipe(
        name="tiny",
        version="0.0.1",
        network="modified_mobilenet_v3_small",
        manifest="tiny.csv",
        labels=("low", "high"),
        titles=("Low", "High"),
        sources=("a", "b"),
        preprocessing=Preprocessing(input_size=40, common_size=36, window=None),
        phases=(
            Phase(until=0.5, size=32, optimiser=Optimiser.ADAM, rate=2e-3, last_rate=1e-3),
            Phase(until=1.0, size=40, optimiser=Optimiser.SGD, rate=0.01, last_rate=1e-3),
        ),
        augmentation=Augmentation(mirror=True),
        batch_size=8,
        epochs=2,
        bfloat16=False,
        validation_share=0.25,
    )


@pytest.fixture
def tiny_rows() -> tuple[MadeRow, ...]:
    """Twenty patients with two pictures each, in two sources, and two external ones."""
    inside = [
        MadeRow(label=label, source=source, group=f"{source}{label}{patient}")
        for source in ("a", "b")
        for label in ("low", "high")
        for patient in range(5)
        for _ in range(2)
    ]
    outside = [
        MadeRow(label=label, source="far", group=f"far{label}", part="external") for label in ("low", "high")
    ]
    return (*inside, *outside)
