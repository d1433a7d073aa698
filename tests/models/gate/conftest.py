"""A gate fitted on made films."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from models.chest_gate import ChestGate
from models.contract import ImageKind
from models.gate.fitting import choose_settings, fit_statistics
from tests.models.gate.made import CHANNELS, made_film, made_outputs


@pytest.fixture(scope="session")
def films() -> npt.NDArray[np.float32]:
    draw = np.random.default_rng(1)
    return np.stack([made_film(draw) for _ in range(300)])


@pytest.fixture(scope="session")
def fitted_gate(films: npt.NDArray[np.float32]) -> Callable[[ImageKind], ChestGate]:
    """Return a function that fits a gate on two hundred films and limits it by one hundred."""

    def fit(kind: ImageKind) -> ChestGate:
        ours, sources = made_outputs(films[:200], seed=1), ["a"] * 150 + ["b"] * 50
        statistics = fit_statistics(ours, sources, made_outputs(films[:60], seed=2, shift=9.0), kind)
        right = made_outputs(films[200:], seed=3)
        scores = statistics.scores(right.thumbnails, right.pooled, right.logits)
        settings = choose_settings(scores, ["a"] * 60 + ["b"] * 40, kind)
        return ChestGate(statistics=statistics, settings=settings)

    return fit


@pytest.fixture(scope="session")
def film_gate(fitted_gate: Callable[[ImageKind], ChestGate]) -> ChestGate:
    return fitted_gate(ImageKind.CHEST_RADIOGRAPH)


@pytest.fixture(scope="session")
def usual() -> tuple[Tensor, Tensor]:
    """Features and logits of a typical picture."""
    return torch.zeros(CHANNELS), torch.tensor([5.0, 0.0, 0.0])
