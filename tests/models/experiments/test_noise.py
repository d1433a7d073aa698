"""Both noise forms are exactly the papers', and a picture's noise is its own."""

import numpy as np
import pytest
import torch

from models.experiments.noise import CLEAN, FORM_1, FORM_2, Noise, contaminate


def _draws(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, row]) for row in range(count)]


@pytest.mark.parametrize("noise", [*FORM_1, *FORM_2])
def test_a_level_is_rint_of_clipped_n_a_plus_m_normal(noise: Noise) -> None:
    images = torch.rand(2, 3, 8, 8) * 255
    found = contaminate(images, noise, _draws(2))
    for row, draw in enumerate(_draws(2)):
        normal = draw.standard_normal((3, 8, 8), dtype=np.float32)
        expected = np.rint(np.clip(noise.n * images[row].numpy() + noise.m * normal, 0, 255))
        assert np.array_equal(found[row].numpy(), expected)


def test_the_levels_are_those_of_tables_15_and_16() -> None:
    assert [(noise.n, noise.m) for noise in FORM_1] == [(1, 1), (1, 3), (1, 5), (1, 7), (1, 10)]
    assert [(noise.n, noise.m) for noise in FORM_2] == [(0.5, 2), (0.7, 2), (0.9, 2), (1.1, 2), (1.3, 2)]


def test_channels_and_pixels_have_noise_of_their_own() -> None:
    grey = torch.full((1, 3, 64, 64), 100.0)
    noise = contaminate(grey, Noise(m=10.0), _draws(1))[0] - 100
    assert float(noise.std()) == pytest.approx(10, rel=0.05)
    correlation = np.corrcoef(noise.reshape(3, -1).numpy())
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 0.1


def test_the_same_picture_has_the_same_noise_in_another_batch() -> None:
    images = torch.rand(3, 3, 8, 8) * 255
    together = contaminate(images, FORM_1[2], _draws(3))
    alone = contaminate(images[2:], FORM_1[2], _draws(3)[2:])
    assert torch.equal(together[2:], alone)


def test_clean_pictures_are_only_rounded() -> None:
    images = torch.tensor([0.4, 254.6, 128.0]).expand(1, 3, 1, 3)
    assert contaminate(images, CLEAN, _draws(1))[0, 0, 0].tolist() == [0, 255, 128]
