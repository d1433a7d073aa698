"""`describe`: networks beside their papers, options that can be set, and cards as before."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.cli import app
from models.networks.registry import NETWORKS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def runner() -> CliRunner:
    return CliRunner()


def test_every_network_has_a_row_beside_what_its_paper_prints(runner: CliRunner) -> None:
    told = runner.invoke(app, ["describe", "--all"])
    assert told.exit_code == 0, told.output
    head, _, *rows, blank, units = told.output.rstrip().splitlines()
    cells = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in rows}
    assert list(cells) == list(NETWORKS)
    assert {len(row) for row in cells.values()} == {len(head.split(" | "))}
    assert not blank
    assert "10^6 bytes" in units
    assert cells["modified_resnet18"][1:5] == [
        "11,209,889",
        "44.88",
        "44.9 MB, printed as 44.9 M in Table 12",
        "2,392.8 M",
    ]
    assert "not reproduced" in cells["covidnet_like"][-1]
    assert "refused to serve" in cells["modified_resnet18_authors"][-1]
    assert told.output.strip() in (DOCS / "networks.md").read_text(encoding="utf-8")


def test_a_network_s_options_come_with_what_they_may_be(runner: CliRunner) -> None:
    told = runner.invoke(app, ["describe", "dspp_cid_resnet18:stages=5+6,join=residual", "--json"])
    found = json.loads(told.output)
    assert found["options"]["stages"] == "5+6"
    assert found["options"]["join"] == "residual"
    assert found["choices"]["join"] == "replace | residual | concat"
    assert found["heat_map"] == "exact CAM"
    assert found["paper"] is None  # its figures are those of stages 4, 5 and 6
    assert runner.invoke(app, ["describe", "dspp_cid_resnet18"]).output.count("option ") == 10


def test_a_backbone_of_timm_is_described_by_name(runner: CliRunner) -> None:
    told = runner.invoke(app, ["describe", "dspp_cid_lcnet_050", "--json"])
    assert json.loads(told.output)["multiply_adds"] > 10**7


def test_an_installed_model_s_name_still_shows_its_card(runner: CliRunner) -> None:
    told = runner.invoke(app, ["describe", "ct-resnet18-dynamic"])
    assert told.output.startswith("# ct-resnet18-dynamic")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "ct-resnet18-dynamic, "),
        (["dspp_cid_convnext_tiny"], "strides"),
        (["vgg16:stages=6"], "no option"),
        ([], "give a name, or --all"),
        (["vgg16", "--all"], "give a name, or --all"),
    ],
)
def test_what_cannot_be_described_is_told_in_one_line(
    runner: CliRunner, arguments: list[str], words: str
) -> None:
    told = runner.invoke(app, ["describe", *arguments])
    assert told.exit_code != 0
    assert words in told.output
    assert told.output.startswith("error: ")
    assert told.output.count("\n") == 1
