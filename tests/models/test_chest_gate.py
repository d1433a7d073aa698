"""The gate on made films: what is blank, saturated, inverted or strange is refused with its reason."""

import numpy as np
import pytest
import torch

from models.chest_gate import (
    ChestGate,
    feature_distance,
    fit_statistics,
    fit_thresholds,
    quality_fault,
    resemblance,
    thumbnails,
)


def _film(draw: np.random.Generator) -> np.ndarray:  # type: ignore[type-arg]
    """A bright body with two dark fields, never twice the same."""
    film = np.full((120, 100), 0.8, dtype=np.float32)
    top, shift = draw.integers(15, 25), draw.integers(-5, 6)
    film[top:90, 15 + shift : 42 + shift] = 0.2
    film[top:90, 58 + shift : 85 + shift] = 0.2
    return np.clip(film + draw.normal(0, 0.05, film.shape), 0, 1).astype(np.float32)


@pytest.fixture
def gate() -> ChestGate:
    draw = np.random.default_rng(1)
    films = torch.from_numpy(np.stack([_film(draw) for _ in range(300)]))
    pooled = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    statistics = fit_statistics(thumbnails(films[:200]), pooled[:200])
    settings = fit_thresholds(
        resemblance(thumbnails(films[200:]), statistics).double().numpy(),
        feature_distance(pooled[200:], statistics).double().numpy(),
    )
    return ChestGate(statistics=statistics, settings=settings)


def test_a_film_like_the_others_passes(gate: ChestGate) -> None:
    verdict = gate.judge(_film(np.random.default_rng(9)), torch.zeros(6))
    assert verdict.passed
    assert verdict.score > 0.8


def test_an_inverted_film_is_called_so(gate: ChestGate) -> None:
    verdict = gate.judge(1 - _film(np.random.default_rng(9)), torch.zeros(6))
    assert not verdict.passed
    assert "inverted" in verdict.reason


def test_features_far_from_training_are_refused(gate: ChestGate) -> None:
    verdict = gate.judge(_film(np.random.default_rng(9)), torch.full((6,), 20.0))
    assert not verdict.passed
    assert "distance" in verdict.reason


def test_noise_does_not_look_like_a_chest(gate: ChestGate) -> None:
    noise = np.random.default_rng(2).random((120, 100), dtype=np.float32)
    assert "does not look like" in gate.judge(noise, torch.zeros(6)).reason


def test_about_all_validation_films_pass(gate: ChestGate) -> None:
    assert gate.settings.validation_pass_share >= 0.97


@pytest.mark.parametrize(
    ("pixels", "fault"),
    [
        (np.full((50, 50), 0.4, dtype=np.float32), "blank"),
        (np.eye(50, dtype=np.float32), "saturated"),
        (np.full((50, 50), np.nan, dtype=np.float32), "not numbers"),
    ],
)
def test_unreadable_films_are_refused_before_the_network_is_asked(
    pixels: np.ndarray,
    fault: str,  # type: ignore[type-arg]
) -> None:
    assert fault in quality_fault(pixels)


def test_thumbnails_do_not_depend_on_size_brightness_or_contrast() -> None:
    film = torch.from_numpy(_film(np.random.default_rng(3)))
    large = film.repeat_interleave(2, 0).repeat_interleave(2, 1)
    first, second = thumbnails(film[None]), thumbnails((large * 0.5 + 0.2)[None])
    assert float((first * second).sum()) > 0.99
