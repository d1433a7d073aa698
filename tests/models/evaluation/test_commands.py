"""`evaluate`, `compare` and `report` on a folder of somebody else's, with the weights that ship."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from models.cli import app
from models.contract import ModelCard
from models.installation import installed


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return min(installed(), key=lambda card: card.parameters)


@pytest.fixture
def folder(tmp_path: Path, card: ModelCard) -> Path:
    """Ten pictures of two labels that the model knows and one that it does not, without optional columns."""
    draw = np.random.default_rng(2)
    known = card.labels[:2]
    with (tmp_path / "their.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["label", "part", "file", "group", "source"])
        for number in range(10):
            name = f"{number}.png"
            Image.fromarray(draw.integers(0, 255, (60, 50), dtype=np.uint8)).save(tmp_path / name)
            label = "unheard of" if number == 9 else known[number % 2]
            writer.writerow([label, "their test", name, f"g{number // 2}", "theirs"])
    return tmp_path


def _run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output


def test_predictions_are_a_row_an_image_and_agree_with_the_report(folder: Path, card: ModelCard) -> None:
    out = folder / "out.csv"
    arguments = ("evaluate", card.name, "--manifest", folder / "their.csv", "--predictions", out)
    code, told = _run(*arguments, "--json", "--out", folder / "run")
    assert code == 0, told
    report = json.loads(told)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == [
        *("file", "label", "source", "part", "group", "predicted"),
        *(f"p_{label}" for label in card.labels),
    ]
    assert [row["file"] for row in rows] == [f"{n}.png" for n in range(10)]
    scored = [row for row in rows if row["label"] != "unheard of"]
    right = np.mean([row["label"] == row["predicted"] for row in scored])
    assert report["parts"]["their test"]["accuracy"]["value"] == pytest.approx(right, abs=1e-4)
    assert report["parts"]["their test"]["rows"] == 9
    assert report["unknown_labels"] == {"unheard of (theirs)": {rows[9]["predicted"]: 1}}
    best = max(card.labels, key=lambda label: float(rows[0][f"p_{label}"]))
    assert rows[0]["predicted"] == best
    assert (folder / "run" / "their-test" / "confusion.png").is_file()


def test_tables_are_printed_with_their_notes(folder: Path, card: ModelCard) -> None:
    (folder / "their.csv").write_text(f"file,label\n0.png,{card.labels[0]}\n1.png,{card.labels[1]}\n")
    code, told = _run("evaluate", card.name, "--manifest", folder / "their.csv", "--no-border")
    assert code == 0, told
    assert "Note: Every picture is a group of its own" in told
    assert "## part all" in told
    assert "| label | rows | precision | sensitivity | specificity | F1 | ROC AUC |" in told


def test_a_missing_picture_is_one_line_or_counted(folder: Path, card: ModelCard) -> None:
    (folder / "3.png").unlink()
    arguments = ("evaluate", card.name, "--manifest", folder / "their.csv", "--no-border")
    code, told = _run(*arguments)
    assert code == 1
    assert told.startswith("error: ")
    assert "3.png: there is no such file" in told
    code, told = _run(*arguments, "--skip-unreadable")
    assert code == 0, told
    assert "1 of 10 pictures could not be read" in told


def test_files_may_lie_in_the_data_folder(
    folder: Path, card: ModelCard, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "list.csv"
    elsewhere.write_text((folder / "their.csv").read_text())
    arguments = ("evaluate", card.name, "--manifest", elsewhere, "--no-border", "--json")
    assert _run(*arguments, "--data", folder)[0] == 0
    assert _run(*arguments, "--data", elsewhere.parent)[0] == 1


def test_a_model_compared_with_its_own_predictions_is_no_better(folder: Path, card: ModelCard) -> None:
    out = folder / "out.csv"
    manifest = ("--manifest", folder / "their.csv")
    assert _run("evaluate", card.name, *manifest, "--predictions", out, "--no-border")[0] == 0
    code, told = _run("compare", card.name, out, *manifest, "--json", "--out", folder / "run")
    assert code == 0, told
    found = json.loads(told)["their test"]
    assert found["overall"]["macro_f1"]["value"] == 0
    assert found["overall"]["rows"] == 9
    assert (folder / "run" / "comparison-their-test.csv").is_file()


def test_the_page_is_written(tmp_path: Path) -> None:
    code, told = _run("report", "--out", tmp_path / "docs" / "models.md")
    assert code == 0
    assert (tmp_path / "docs" / "models.md").read_text().startswith("# Models")
    code, told = _run("report", "--out", tmp_path / "none.md", "--weights", tmp_path)
    assert code == 1
    assert "no models are installed" in told
