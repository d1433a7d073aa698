"""Xu et al. 2022: a backbone with D-SPP over several stages and CID before its head (Fig. 2)."""

from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.heads import HeadedNetwork
from models.networks.infection_attention import AttentionOptions, InfectionAttention
from models.networks.interface import Features, xavier
from models.networks.spatial_pyramid import PyramidOptions, SpatialPyramid
from models.networks.trunks import Backbone


class Join(Enum):
    """How the pyramid's output meets the trunk's last map."""

    REPLACE = "replace"
    """In series, as ASPP stands before the classifier of the cited work."""
    RESIDUAL = "residual"
    """Added; the last batch norm begins at zero, so a pretrained trunk starts undisturbed."""
    CONCATENATE = "concat"
    """Beside the trunk's last map; a 1 x 1 convolution brings both to its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancedOptions:
    """The modules to add: the defaults are the paper's best row (Table IV: stages 4, 5, 6 with CID)."""

    pyramid: PyramidOptions = field(default_factory=PyramidOptions)
    join: Join = Join.REPLACE
    attention: AttentionOptions | None = field(default_factory=AttentionOptions)
    """None for the rows without CID."""


class EnhancedNetwork(HeadedNetwork):
    """Trunk, D-SPP, CID, the trunk's own tail and head; either module can be left out."""

    def __init__(self, backbone: Backbone, classes: int, options: EnhancedOptions | None = None) -> None:
        super().__init__(backbone.head(classes))
        chosen = options or EnhancedOptions()
        self.trunk, self.tail, self.join = backbone.trunk, backbone.tail, chosen.join
        self.taps = tuple(stage - 1 for stage in sorted(chosen.pyramid.stages))
        last = self.trunk.channels[-1]
        self.pyramid = self._pyramid(chosen.pyramid, last) if self.taps else None
        concatenates = self.pyramid is not None and self.join is Join.CONCATENATE
        self.merge = _merge(last) if concatenates else None
        self.attention = InfectionAttention(last, chosen.attention) if chosen.attention else None
        for added in (self.pyramid, self.merge, self.attention):
            if added is not None:
                xavier(added)

    def features(self, images: Tensor) -> Features:
        """Run the trunk and the modules on images (n, 3, rows, columns) in 0..255."""
        x = self._seen(images)
        return Features(last_map=self.tail(x if self.attention is None else self.attention(x)))

    def attended(self, images: Tensor) -> Tensor | None:
        """Return what CID multiplies each place of the last map with, (n, maps, rows, columns)."""
        return None if self.attention is None else self.attention.attention(self._seen(images))

    def _seen(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.trunk(images)
        if self.pyramid is None:
            return maps[-1]
        return self._joined(maps[-1], self.pyramid([maps[tap] for tap in self.taps]))

    def _joined(self, last: Tensor, seen: Tensor) -> Tensor:
        size = (last.shape[-2], last.shape[-1])
        if seen.shape[-2:] != size:  # the smallest map read is finer than the trunk's last
            seen = functional.adaptive_avg_pool2d(seen, size)
        match self.join:
            case Join.REPLACE:
                return seen
            case Join.RESIDUAL:
                return last + seen
            case Join.CONCATENATE:
                assert self.merge is not None  # noqa: S101  built with this join
                out: Tensor = self.merge(torch.cat([last, seen], dim=1))
                return out

    def _pyramid(self, options: PyramidOptions, out: int) -> SpatialPyramid:
        pyramid = SpatialPyramid(
            channels=[self.trunk.channels[tap] for tap in self.taps],
            strides=[self.trunk.strides[tap] for tap in self.taps],
            out=out,
            options=options,
        )
        if self.join is Join.RESIDUAL:
            norm = pyramid.join[1]
            assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101  narrows Sequential's element
            nn.init.zeros_(norm.weight)
        return pyramid


def _merge(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )
