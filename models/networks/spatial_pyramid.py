"""D-SPP, the deep spatial pyramid pooling of Xu et al. 2022: many depths through one receptive field."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import UnbuildableNetwork

WIDEST_BRANCH = 256  # ASPP's width, which the paper builds on and does not restate


class Align(Enum):
    """How the branches come to one size."""

    STRIDE = "stride"
    """Strided atrous convolutions: every branch samples the same places of the image."""
    POOL = "pool"
    """Dense atrous convolutions, then average pooling to the smallest map."""
    UP = "up"
    """Dense atrous convolutions, then bilinear interpolation to the largest map."""


class Mix(Enum):
    """How the branches become one map."""

    CONCATENATE = "concat"
    """Side by side before the 1 x 1 convolution, as in ASPP."""
    SUM = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidOptions:
    """What the paper leaves open, with the chosen reading as default."""

    stages: tuple[int, ...] = (4, 5, 6)
    """Stages by resolution whose outputs are read (Table IV); none for no module."""
    alpha: float = 3.0
    """The smallest map's rate; it decides the receptive field that all share."""
    align: Align = Align.STRIDE
    mix: Mix = Mix.CONCATENATE
    width: int | None = None
    """Channels of a branch; by default half of the output's, at most 256."""

    def __post_init__(self) -> None:
        """Refuse what no pyramid has.

        Raises
        ------
        UnbuildableNetwork
            A stage that is none of 1 to 6 or comes twice, or an alpha or width that is not positive.
        """
        if len(set(self.stages)) < len(self.stages) or not set(self.stages) <= set(range(1, 7)):
            raise UnbuildableNetwork(f"stages are different numbers of 1 to 6, not {self.stages}")
        if self.alpha <= 0 or (self.width is not None and self.width < 1):
            raise UnbuildableNetwork("alpha and width must be positive")


def atrous_rates(strides: Sequence[int], alpha: float = 3.0) -> tuple[int, ...]:
    """Return R_i = alpha sqrt(H_i W_i / (H_min W_min)) (Eq. 3) from strides, whatever the input size."""
    return tuple(max(1, round(alpha * max(strides) / stride)) for stride in strides)


def atrous_rates_of_sizes(sizes: Sequence[tuple[int, int]], alpha: float = 3.0) -> tuple[int, ...]:
    """Return Eq. 3 literally, from the maps' (rows, columns)."""
    smallest = min(rows * columns for rows, columns in sizes)
    return tuple(max(1, round(alpha * math.sqrt(rows * columns / smallest))) for rows, columns in sizes)


class SpatialPyramid(nn.Module):
    """One 3 x 3 atrous convolution a map; a 1 x 1 convolution joins the branches."""

    def __init__(
        self, *, channels: Sequence[int], strides: Sequence[int], out: int, options: PyramidOptions
    ) -> None:
        super().__init__()
        self.align, self.mix = options.align, options.mix
        self.rates = atrous_rates(strides, options.alpha)
        width = options.width or min(WIDEST_BRANCH, out // 2)
        coarsest = max(strides)
        self.branches = nn.ModuleList(
            _branch(c, width, rate, coarsest // stride if self.align is Align.STRIDE else 1)
            for c, stride, rate in zip(channels, strides, self.rates, strict=True)
        )
        mixed = width * (len(channels) if self.mix is Mix.CONCATENATE else 1)
        self.join = nn.Sequential(
            nn.Conv2d(mixed, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Join maps (n, channels_i, rows_i, columns_i), fine to coarse, to (n, out, rows, columns)."""
        seen = [branch(m) for branch, m in zip(self.branches, maps, strict=True)]
        if self.align is Align.UP:
            size = seen[0].shape[-2:]
            level = [functional.interpolate(m, size=size, mode="bilinear") for m in seen]
        else:  # at odd sizes a strided grid can differ by a cell
            size = (maps[-1].shape[-2], maps[-1].shape[-1])
            level = [m if m.shape[-2:] == size else functional.adaptive_avg_pool2d(m, size) for m in seen]
        mixed = torch.cat(level, dim=1) if self.mix is Mix.CONCATENATE else torch.stack(level).sum(0)
        out: Tensor = self.join(mixed)
        return out


def _branch(channels: int, width: int, rate: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=stride, padding=rate, dilation=rate, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
