"""`explain`: panels and numbers of installed weights, with and without modules; these are random."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from models.cli import app
from models.installation import card_named, weights_digest
from models.networks.registry import build_network

NETWORKS = {
    "with-modules": "dspp_cid_lcnet_050",
    "without-modules": "plain_lcnet_050",
    "dynamic": "modified_lcnet_050",
    "curved-head": "mobilenet_v3_small",
    "coupled": "modified_resnet18_authors",
}


@pytest.fixture(scope="module")
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CT models with random weights, on the card of a shipped one."""
    folder = tmp_path_factory.mktemp("weights")
    shipped = json.loads((card_named("ct-resnet18-dynamic").folder / "manifest.json").read_text())
    shipped.pop("graph_sha256", None)
    for name, network in NETWORKS.items():
        torch.manual_seed(4)
        place = folder / name / "0.1.0"
        place.mkdir(parents=True)
        state = build_network(network, classes=len(shipped["labels"])).state_dict()
        save_file(state, place / "model.safetensors")
        digest = weights_digest(place / "model.safetensors")
        changed = {"name": name, "network": network, "weights_sha256": digest}
        (place / "manifest.json").write_text(json.dumps(shipped | changed))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, noise = tmp_path_factory.mktemp("pictures"), np.random.default_rng(3)
    paths = [folder / f"slice{n}.png" for n in range(2)]
    for path in paths:
        Image.fromarray(noise.integers(0, 255, (90, 120), dtype=np.uint8)).save(path)
    return [str(path) for path in paths]


def test_pictures_are_drawn_with_and_without_modules(
    runner: CliRunner, weights: Path, pictures: list[str], tmp_path: Path
) -> None:
    places = ["--weights", str(weights), "--out", str(tmp_path)]
    told = runner.invoke(
        app, ["explain", "with-modules", *pictures, "--compare", "without-modules", *places, "--json"]
    )
    assert told.exit_code == 0, told.output
    found = json.loads(told.output)
    assert [row["model"] for row in found["pictures"]] == ["without-modules", "with-modules"] * 2
    for row in found["pictures"]:
        assert row["heat_map"] == "exact CAM"
        assert row["evidence_1"] + row["unplaced"] == pytest.approx(row["logit"], abs=1e-5)
        shares = [value for key, value in row.items() if key.startswith("p_")]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert len({(row["picture"], row["explained_label"]) for row in found["pictures"]}) == 2
    with Image.open(found["sheets"][0]) as sheet:
        assert sheet.width > 4 * 200  # picture, both heat maps, CID's attention
        assert sheet.height > 2 * 200
    with Path(found["table"]).open(newline="") as stream:
        assert [row["picture"] for row in csv.DictReader(stream)] == [p for p in pictures for _ in range(2)]


def test_a_dynamic_network_shows_every_depth_s_share(
    runner: CliRunner, weights: Path, pictures: list[str], tmp_path: Path
) -> None:
    places = ["--weights", str(weights), "--out", str(tmp_path), "--json"]
    told = runner.invoke(app, ["explain", "dynamic", pictures[0], "--label", "normal", *places])
    row = json.loads(told.output)["pictures"][0]
    assert row["explained_label"] == "normal"
    assert {f"evidence_{n}" for n in range(1, 6)} <= set(row)
    by_gradient = runner.invoke(
        app, ["explain", "dynamic", pictures[0], "--label", "normal", "--method", "gradcam", *places]
    )
    other = json.loads(by_gradient.output)["pictures"][0]
    assert other["heat_map"] == "Grad-CAM"
    assert other["evidence_1"] == pytest.approx(row["evidence_5"], abs=1e-5)
    assert "evidence_2" not in other


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["curved-head", "--method", "cam"], "has no exact CAM"),
        (["with-modules", "--label", "gout"], "has no label 'gout'; it has covid19"),
        (["with-modules", "--compare", "nothing"], "no model called 'nothing'"),
        (["coupled"], "coupled"),
    ],
)
def test_what_cannot_be_explained_is_told_in_one_line(
    runner: CliRunner,
    weights: Path,
    pictures: list[str],
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    places = ["--weights", str(weights), "--out", str(tmp_path / "none")]
    told = runner.invoke(app, ["explain", *arguments, *pictures, *places])
    assert told.exit_code == 1
    assert told.output.startswith("error: ")
    assert words in told.output
    assert not (tmp_path / "none").exists()


def test_many_pictures_make_several_sheets(
    runner: CliRunner, weights: Path, pictures: list[str], tmp_path: Path
) -> None:
    places = ["--weights", str(weights), "--out", str(tmp_path), "--json"]
    told = runner.invoke(app, ["explain", "without-modules", *pictures * 4, *places])
    assert [Path(sheet).name for sheet in json.loads(told.output)["sheets"]] == ["panel_1.png", "panel_2.png"]


def test_a_file_that_is_no_picture_is_told(runner: CliRunner, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("not a picture")
    arguments = [str(tmp_path / "letter.png"), "--weights", str(weights), "--out", str(tmp_path)]
    told = runner.invoke(app, ["explain", "without-modules", *arguments])
    assert told.exit_code == 1
    assert "no picture that can be read" in told.output
