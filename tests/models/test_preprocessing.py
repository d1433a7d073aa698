"""The fast preparation is the declared one; films and slices keep their orientation and their window."""

import numpy as np
import pytest
import torch

from models.errors import UnusableInput
from models.preprocessing import declared_transform, prepare_grey, prepare_radiograph, prepare_slices
from models.preprocessing_spec import Preprocessing, Window

FILM = Preprocessing(input_size=299, common_size=224, window=None)
SLICE = Preprocessing(input_size=256, common_size=224, window=Window(centre=-600, width=1500))


@pytest.mark.parametrize("shape", [(1955, 1841), (224, 224), (280, 340), (97, 640)])
def test_a_film_prepared_fast_equals_the_declared_transform(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).random(shape, dtype=np.float32)
    fast = prepare_radiograph(pixels, FILM)
    declared = torch.as_tensor(declared_transform(FILM)(pixels))[None]
    assert fast.shape == (1, 3, 299, 299)
    assert torch.allclose(fast, declared, atol=1e-3)  # of 255


def test_slices_prepared_fast_equal_the_declared_transform_one_by_one() -> None:
    slices = np.random.default_rng(2).integers(-2000, 2000, (3, 160, 130)).astype(np.int16)
    fast = prepare_slices(slices, SLICE)
    declared = torch.stack([torch.as_tensor(declared_transform(SLICE)(s.astype(np.float32))) for s in slices])
    assert fast.shape == (3, 3, 256, 256)
    assert torch.allclose(fast, declared, atol=1e-2)  # of 255


def test_the_window_clips_before_resizing() -> None:
    checker = np.full((1, 448, 448), -3000, dtype=np.int16)
    checker[0, ::2] = 3000
    half_grey = prepare_slices(checker, SLICE)
    assert torch.allclose(half_grey, torch.full_like(half_grey, 127.5), atol=0.5)


def test_rows_stay_rows() -> None:
    pixels = np.zeros((300, 600), dtype=np.float32)
    pixels[:60] = 1.0
    image = prepare_radiograph(pixels, FILM)[0, 0]
    assert image[:50].mean() > 250
    assert image[80:].mean() < 1


def test_a_training_picture_and_a_film_of_the_same_pixels_get_the_same_input() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (280, 310)).astype(np.float32) / np.float32(255)
    assert torch.equal(prepare_grey(torch.from_numpy(grey)[None], FILM), prepare_radiograph(grey, FILM))


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((1, 4, 4), dtype=np.float32)])
def test_a_film_of_another_dtype_or_shape_is_refused(pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(UnusableInput):
        prepare_radiograph(pixels, FILM)


def test_slices_without_a_window_are_refused() -> None:
    with pytest.raises(UnusableInput, match="window"):
        prepare_slices(np.zeros((1, 8, 8), dtype=np.int16), FILM)
