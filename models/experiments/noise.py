"""Noise forms 1 and 2 of Jia et al. section 7, on network input in 0..255."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

WHITE = 255.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """a -> n a + m N(0, 1)."""

    n: float = 1.0
    m: float

    @property
    def name(self) -> str:
        """As the paper labels its rows."""
        return f"m = {self.m:g}" if self.n == 1.0 else f"n = {self.n:g}, m = {self.m:g}"


CLEAN = Noise(m=0.0)
FORM_1 = tuple(Noise(m=m) for m in (1.0, 3.0, 5.0, 7.0, 10.0))
"""Additive (Table 15)."""
FORM_2 = tuple(Noise(n=n, m=2.0) for n in (0.5, 0.7, 0.9, 1.1, 1.3))
"""Multiplicative and additive (Table 16)."""


def contaminate(images: Tensor, noise: Noise, draws: Sequence[np.random.Generator]) -> Tensor:
    """Return rint(clip(n a + m N(0, 1), 0, 255)) of images (k, 3, rows, columns) in 0..255.

    Every pixel of every channel has its own noise; ``draws`` holds one generator an image, so that no
    picture's noise depends on its batch. The authors' code clips and rounds in this order.
    """
    normal = np.stack([draw.standard_normal(images.shape[1:], dtype=np.float32) for draw in draws])
    changed = noise.n * images + noise.m * torch.from_numpy(normal)
    return changed.clamp(0.0, WHITE).round()
