"""Predictions as CSV: the columns that were promised, and back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import DataMissing, ManifestInvalid
from models.evaluation.answers import AnsweredRows
from models.evaluation.predictions import read_predictions, write_predictions

Make = Callable[..., AnsweredRows]


def test_a_row_an_image_with_the_promised_columns(answered: Make, tmp_path: Path) -> None:
    told = answered([("a", "b"), ("strange, label", "a")], labels=("a", "b"), sources=["s", "t"])
    path = tmp_path / "new folder" / "out.csv"
    write_predictions(told, path)
    lines = path.read_text().splitlines()
    assert lines[0] == "file,label,source,part,group,predicted,p_a,p_b"
    assert lines[1] == "0.png,a,s,train,0,b,0.100000,0.900000"
    assert lines[2].startswith('1.png,"strange, label",t,train,1,a,')


def test_what_was_written_is_read_back(answered: Make, tmp_path: Path) -> None:
    told = answered([("a", "b"), ("", "a"), ("b", "b")], labels=("a", "b"))
    write_predictions(told, tmp_path / "p.csv")
    again = read_predictions(tmp_path / "p.csv")
    assert again.rows == told.rows
    assert again.labels == told.labels
    assert again.predicted == told.predicted
    assert np.allclose(again.probabilities, told.probabilities, atol=1e-6)


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("file,label\n1.png,a\n")
    with pytest.raises(ManifestInvalid, match="no predictions"):
        read_predictions(path)
    with pytest.raises(DataMissing):
        read_predictions(tmp_path / "none.csv")
