"""Made outliers are what they are called, and the same for the same seed."""

import numpy as np
import pytest
import torch

from models.gate.made_outliers import MadeKind, make_pictures, shuffled
from models.gate.thumbnails import Disguise, disguised, thumbnails, undone
from tests.models.gate.made import made_film


@pytest.mark.parametrize("kind", MadeKind)
def test_pictures_repeat_with_their_seed_and_differ_among_themselves(kind: MadeKind) -> None:
    first = make_pictures(kind, count=3, size=64, seed=5)
    assert first.shape == (3, 64, 64)
    assert np.array_equal(first, make_pictures(kind, count=3, size=64, seed=5))
    assert not np.array_equal(first, make_pictures(kind, count=3, size=64, seed=6))
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(("size", "cells"), [(64, 2), (64, 4), (66, 4)])
def test_shuffling_moves_every_tile_and_keeps_every_pixel(size: int, cells: int) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (4, size, size), dtype=np.uint8)
    mixed = shuffled(pictures, cells=cells, seed=3)
    side = size // cells
    for row in range(0, side * cells, side):
        for column in range(0, side * cells, side):
            tile = np.s_[:, row : row + side, column : column + side]
            assert all(not np.array_equal(a, b) for a, b in zip(pictures[tile], mixed[tile], strict=True))
    assert np.array_equal(np.sort(mixed.reshape(4, -1)), np.sort(pictures.reshape(4, -1)))


@pytest.mark.parametrize("way", Disguise)
def test_a_disguise_undone_is_the_film_again(way: Disguise) -> None:
    film = torch.from_numpy(made_film(np.random.default_rng(2)))[None]
    shown = disguised(film, way, white=1.0)
    assert not torch.allclose(shown, film, atol=0.2)
    assert torch.allclose(disguised(shown, undone(way), white=1.0), film, atol=1e-6)


@pytest.mark.parametrize("way", Disguise)
def test_a_thumbnail_can_be_disguised_instead_of_its_film(way: Disguise) -> None:
    film = torch.from_numpy(made_film(np.random.default_rng(2)))[None]
    of_film = thumbnails(disguised(film, way, white=1.0))
    assert torch.allclose(of_film, disguised(thumbnails(film), way, white=0.0), atol=1e-5)


def test_thumbnails_do_not_depend_on_size_brightness_or_contrast() -> None:
    film = torch.from_numpy(made_film(np.random.default_rng(3)))
    large = film.repeat_interleave(2, 0).repeat_interleave(2, 1)
    first, second = thumbnails(film[None]), thumbnails((large * 0.5 + 0.2)[None])
    assert float((first * second).sum()) > 0.99
