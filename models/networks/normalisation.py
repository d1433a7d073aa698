"""How a trunk wants its pixels: every network takes 0..255 and brings it there itself, inside the graph."""

from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor, nn


class Norm(Enum):
    """A trunk's input range."""

    RAW = "raw255"
    """0..255 as it is: the authors of Jia et al. feed no mean or standard deviation."""
    UNIT = "unit"
    """(x/255 - 0.5) / 0.5, in [-1, 1]: TensorFlow's EfficientNet-Lite."""
    IMAGENET = "imagenet"
    """ImageNet's mean and standard deviation by channel, as torchvision's weights expect."""


_STATISTICS: dict[Norm, tuple[Sequence[float], Sequence[float]]] = {
    Norm.RAW: ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    Norm.UNIT: ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    Norm.IMAGENET: ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


class Normalise(nn.Module):
    """(x - mean) / deviation by channel, with constants that are not weights."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.norm = norm
        mean, deviation = _STATISTICS[norm]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, 3, rows, columns) in the trunk's range."""
        if self.norm is Norm.RAW:
            return images
        out: Tensor = (images - self.get_buffer("mean")) / self.get_buffer("deviation")
        return out
