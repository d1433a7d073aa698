"""Each experiment as a command, once: its tables, its CSV and PNG, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from models.cli import app
from models.installation import installed

SMALL = "mobilenetv3_small_050"  # a backbone of timm that the user names


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def _run(*words: str | Path) -> Any:
    told = CliRunner().invoke(app, [str(word) for word in words])
    assert told.exit_code == 0, told.output
    return json.loads(told.output) if "--json" in words else told.output


def _assert_pictures(folder: str, *names: str) -> None:
    for name in names:
        with Image.open(Path(folder) / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 600


def test_cross_validation_has_a_row_a_fold_and_does_not_train_again(data: Path, runs: Path) -> None:
    words = ("cross-validate", "cxr-mobilenetv3", "--folds", "2", "--classes", "4", "--scale", "0.01")
    words = (*words, "--data", data, "--runs", runs, "--json")
    first = _run(*words)
    (table,) = first["tables"]
    assert "1 epochs, 4 classes" in table["title"]
    names = [row["fold"] for row in table["rows"]]
    assert names[:4] == ["fold-1", "fold-2", "mean", "standard deviation"]
    assert names[4] in {"test-of-fold-1", "test-of-fold-2"}
    _assert_pictures(first["folder"], "folds.png")
    assert len((Path(first["folder"]) / "folds.csv").read_text().splitlines()) == 6
    written = {path: path.stat().st_mtime_ns for path in Path(first["folder"]).glob("cells/*")}
    assert _run(*words) == first
    assert {path: path.stat().st_mtime_ns for path in Path(first["folder"]).glob("cells/*")} == written


def test_leave_source_out_has_a_row_a_source_that_shares_a_label(data: Path, runs: Path) -> None:
    words = ("cross-validate", "cxr-mobilenetv3", "--leave-source-out", "--scale", "0.01")
    told = _run(*words, "--data", data, "--runs", runs, "--json")
    (table,) = told["tables"]
    held_out = {row["held out"]: row["scored rows"] for row in table["rows"]}
    assert held_out == dict.fromkeys(("covid-cxnet", "hannover", "kermany", "nih-chestxray8", "tb-rahman"), 8)
    _assert_pictures(told["folder"], "sources.png")


def test_table_iv_has_all_eight_combinations_beside_the_paper(data: Path, runs: Path) -> None:
    words = ("ablate", "--backbone", SMALL, "--scale", "0.001", "--data", data, "--runs", runs)
    told = _run(*words, "--json")
    (table,) = told["tables"]
    combinations = [(row["D-SPP stages"], row["CID"]) for row in table["rows"]]
    assert combinations == [
        (stages, cid) for stages in ("none", "6", "5 6", "4 5 6") for cid in ("without", "with")
    ]
    assert any("not reproduced" in note for note in table["notes"])
    _assert_pictures(told["folder"], "table-iv.png")
    assert "| none | without |" in _run(*words)


def test_table_v_chains_pre_training_and_fine_tuning(data: Path, runs: Path) -> None:
    words = ("ablate", "--table", "v", "--backbone", SMALL, "--scale", "0.001", "--data", data)
    told = _run(*words, "--runs", runs, "--json")
    (table,) = told["tables"]
    assert [row["strategy"] for row in table["rows"]] == [
        "original",
        "40+pretrain-40",
        "40+pretrain-70",
        "70+pretrain-70",
        "100+pretrain-70",
        "100+pretrain-100",
    ]
    assert table["rows"][3]["published accuracy"] == 0.8522
    cell = json.loads((Path(told["folder"]) / "cells" / "40+pretrain-70.json").read_text())
    assert cell["begins_with"] == "pretrain-70"
    _assert_pictures(told["folder"], "table-v.png")


def test_robustness_of_an_installed_model_on_rows_of_one_s_own(data: Path, runs: Path) -> None:
    card = next(card for card in installed() if card.preprocessing.window is None)
    words = ("robustness", card.name, "--manifest", data / "cxr.csv", "--limit", "3", "--repeats", "1")
    told = _run(*words, "--data", data, "--runs", runs, "--json")
    (table,) = told["tables"]
    assert len(table["rows"]) == 11
    assert {row["model"] for row in table["rows"]} == {f"{card.name} {card.version}"}
    _assert_pictures(told["folder"], "accuracy.png", "macro-f1.png")


def test_robustness_of_a_training_reads_its_held_out_rows(data: Path, runs: Path) -> None:
    _run("train", "cxr-mobilenetv3", "--epochs", "1", "--data", data, "--runs", runs)
    words = ("robustness", "--trained", "cxr-mobilenetv3", "--limit", "4", "--repeats", "1")
    told = _run(*words, "--data", data, "--runs", runs, "--json")
    assert told["tables"][0]["rows"][1]["published accuracy"] == 0.9772


def test_gradient_statistics_count_7264_weights_for_both_networks(data: Path, runs: Path) -> None:
    words = ("gradient-statistics", "--batches", "1", "--batch-size", "2", "--data", data, "--runs", runs)
    told = _run(*words, "--json")
    original, modified = told["tables"][0]["rows"]
    assert original["kernel weights"] == modified["kernel weights"] == 7264
    assert modified["mean"] > original["mean"] > 0
    assert (original["published mean"], modified["published mean"]) == (0.037, 0.547)
    _assert_pictures(told["folder"], "gradient-statistics.png")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("cross-validate", "nothing"), "no model called"),
        (("cross-validate", "cxr-mobilenetv3", "--folds", "500"), "folds"),
        (("robustness",), "no row"),
        (("ablate", "--backbone", "nothing"), "no model called"),
        (("ablate", "--set", "sars-cov-2-ct"), "COVID"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_code_one(
    data: Path, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    told = CliRunner().invoke(app, [*words, "--data", str(data), "--runs", str(tmp_path)])
    assert told.exit_code == 1
    assert told.output.startswith("error: ")
    assert reason in told.output
    assert len(told.output.splitlines()) == 1
