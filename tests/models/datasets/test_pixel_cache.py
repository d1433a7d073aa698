"""The cache holds what serving would see, and never the pictures of another manifest or preparation."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from models.datasets.manifest import CropBox, ImageRow, read_manifest
from models.datasets.pixel_cache import cached_pixels
from models.preprocessing import finish_common, prepare_radiograph
from models.preprocessing_spec import Preprocessing

SPEC = Preprocessing(input_size=40, common_size=36, window=None)


def test_cached_pictures_are_what_serving_prepares_to_within_a_grey_level(
    draw_folder: Callable[[str, Sequence[object]], Path], tiny_rows: tuple[object, ...], tmp_path: Path
) -> None:
    root = draw_folder("tiny.csv", tiny_rows)
    rows = read_manifest(root / "tiny.csv")
    pixels = cached_pixels(rows, root=root, cache=tmp_path / "cache", spec=SPEC)
    trained_on = finish_common(torch.from_numpy(np.array(pixels[:1])).float() / 255, SPEC)
    film = np.asarray(Image.open(root / rows[0].file), dtype=np.float32) / np.float32(255)
    assert torch.allclose(trained_on, prepare_radiograph(film, SPEC), atol=0.51)


def test_a_cache_is_read_again_and_another_preparation_gets_its_own(
    draw_folder: Callable[[str, Sequence[object]], Path], tiny_rows: tuple[object, ...], tmp_path: Path
) -> None:
    root, cache = draw_folder("tiny.csv", tiny_rows), tmp_path / "cache"
    rows = read_manifest(root / "tiny.csv")
    first = cached_pixels(rows, root=root, cache=cache, spec=SPEC)
    for row in rows:
        (root / row.file).unlink()
    again = cached_pixels(rows, root=root, cache=cache, spec=SPEC)
    assert np.array_equal(first, again)
    assert len(list(cache.iterdir())) == 1
    cached_pixels(rows[:0], root=root, cache=cache, spec=SPEC.model_copy(update={"common_size": 20}))
    assert len(list(cache.iterdir())) == 2


def test_a_picture_that_cannot_be_decoded_leaves_no_cache(
    draw_folder: Callable[[str, Sequence[object]], Path], tiny_rows: tuple[object, ...], tmp_path: Path
) -> None:
    root, cache = draw_folder("tiny.csv", tiny_rows), tmp_path / "cache"
    rows = read_manifest(root / "tiny.csv")
    (root / rows[3].file).write_bytes(b"no picture")
    try:
        cached_pixels(rows, root=root, cache=cache, spec=SPEC)
    except OSError:
        pass
    else:
        raise AssertionError("a broken picture was decoded")
    assert not list(cache.glob("*.npy"))


def test_a_crop_is_what_is_decoded_and_gets_a_cache_of_its_own(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40), dtype=np.uint8)
    pixels[10:20, 20:40] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    whole = ImageRow(file="a.png", label="x", source="s", group="g", part="train", sha256="")
    part = replace(whole, crop=CropBox(left=20, top=10, right=40, bottom=20))
    cache = tmp_path / "cache"
    assert cached_pixels([whole], root=tmp_path, cache=cache, spec=SPEC).mean() < 50
    assert (cached_pixels([part], root=tmp_path, cache=cache, spec=SPEC) == 200).all()
    assert len(list(cache.iterdir())) == 2
