"""Made chest films, and what a network might say of them."""

import numpy as np
import numpy.typing as npt
import torch

from models.chest_gate import thumbnails
from models.evaluation.answers import Outputs

CHANNELS, LABELS = 12, 3
Film = npt.NDArray[np.float32]


def made_film(draw: np.random.Generator) -> Film:
    """A bright body with two dark fields that widen downwards, never twice the same."""
    film = np.full((120, 120), 0.75, dtype=np.float32)
    top, shift = draw.integers(12, 22), draw.integers(-5, 6)
    for row in range(top, 90):
        width = 12 + (row - top) // 4
        film[row, 58 - shift - width : 52 - shift] = 0.2
        film[row, 68 - shift : 74 - shift + width] = 0.2
    film[96:, :] = 0.9
    noisy: Film = np.clip(film + draw.normal(0, 0.04, film.shape), 0, 1).astype(np.float32)
    return noisy


def made_outputs(films: npt.NDArray[np.float32], seed: int, shift: float = 0.0) -> Outputs:
    """Return what a network might give: features around a mean, logits of one sure class."""
    draw = torch.Generator().manual_seed(seed)
    pooled = torch.randn(len(films), CHANNELS, generator=draw)
    pooled[:, 6:] *= 0.1
    pooled[:, 0] += shift
    logits = torch.randn(len(films), LABELS, generator=draw)
    logits[:, 0] += 5
    return Outputs(logits=logits, pooled=pooled, thumbnails=thumbnails(torch.from_numpy(films)))
