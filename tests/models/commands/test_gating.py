"""`gate` judges a folder of pictures, kind by kind, and leaves its tables as files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from models.cli import app
from models.contract import ImageKind
from models.installation import installed

FILM_MODEL = next(card.name for card in installed() if card.kind is ImageKind.CHEST_RADIOGRAPH)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draw = np.random.default_rng(1)
    for kind, pixels in (
        ("noise", draw.integers(0, 256, (90, 90), dtype=np.uint8)),
        ("blank", np.full((90, 90), 128, dtype=np.uint8)),
    ):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / kind / "one.png")
    return tmp_path / "pictures"


def test_pictures_are_judged_and_tables_written(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    order = ["gate", FILM_MODEL, "--pictures", str(pictures), "--out", str(out), "--json"]
    found = CliRunner().invoke(app, order)
    assert found.exit_code == 0, found.output
    judged = {one["kind"]: one for one in json.loads(found.stdout)["pictures"]}
    assert not judged["noise"]["passed"]
    assert "blank" in judged["blank"]["reason"]
    with (out / "verdicts.csv").open(newline="") as stream:
        assert [row["passed"] for row in csv.DictReader(stream)] == ["no", "no"]
    assert (out / "gate.csv").is_file()


def test_a_folder_without_pictures_is_one_plain_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["gate", FILM_MODEL, "--pictures", str(tmp_path)])
    assert found.exit_code == 1
    assert found.stderr.startswith("error: ")
    assert "Traceback" not in found.output
