"""An evaluation as files that open again."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.evaluation.answers import AnsweredRows
from models.evaluation.manifest_report import ManifestReport, report_on
from models.evaluation.run_folder import write_report

LABELS = ("a", "b")
TITLES = {"a": "First", "b": "Second, with a long name that needs several lines"}
Make = Callable[..., AnsweredRows]


def _report(answered: Make) -> ManifestReport:
    told = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "a"), ("a", "a")]
    parts = ["seen/unseen"] * 5 + ["far"]
    rows = answered(told, labels=LABELS, parts=parts, sources=["x", "y", "x", "y", "x", "z"])
    return report_on(rows, thresholds={"a": 0.5, "b": 0.95}, baselines={}, seed=1)


def _table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_table_and_curve_is_there(answered: Make, tmp_path: Path) -> None:
    write_report(_report(answered), TITLES, tmp_path / "run")
    run = tmp_path / "run"
    assert json.loads((run / "report.json").read_text())["rows"] == 6
    assert len(_table(run / "predictions.csv")) == 6
    scores = {
        (line["part"], line["source"], line["figure"]): line["value"] for line in _table(run / "scores.csv")
    }
    assert float(scores["seen/unseen", "all", "accuracy"]) == 0.75
    assert float(scores["seen/unseen", "x", "accuracy"]) == 1.0
    assert scores["far", "all", "macro_f1"] == ""
    for name in ("confusion.png", "roc.png", "reliability.png"):
        with Image.open(run / "seen-unseen" / name) as picture:
            assert min(picture.size) > 300
    assert not (run / "far" / "roc.png").exists()


def test_thresholds_are_applied_and_not_chosen_again(answered: Make, tmp_path: Path) -> None:
    write_report(_report(answered), TITLES, tmp_path)
    points = {
        (line["part"], line["label"], line["figure"]): line
        for line in _table(tmp_path / "operating_points.csv")
    }
    # p_b is 0.9 or 0.1: no row reaches 0.95
    assert points["seen/unseen", "b", "sensitivity"]["value"] == "0.0"
    assert points["seen/unseen", "b", "specificity"]["value"] == "1.0"
    assert points["seen/unseen", "a", "sensitivity"]["value"] == "0.5"
    assert points["seen/unseen", "a", "sensitivity"]["threshold"] == "0.5"
    # rows of one label alone have one of the two
    assert points["far", "a", "sensitivity"]["value"] == "1.0"
    assert points["far", "a", "specificity"]["value"] == ""


def test_labels_without_a_class_enter_no_score(answered: Make) -> None:
    report = _report(answered)
    assert report.overall["seen/unseen"].rows == 4
    assert report.unknown_labels == {"c (x)": {"a": 1}}


@pytest.mark.parametrize("part", ["seen/unseen", "far"])
def test_parts_are_scored_apart(answered: Make, part: str) -> None:
    assert part in _report(answered).overall
