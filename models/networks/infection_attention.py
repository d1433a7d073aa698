"""CID, the COVID-19 infection detection module of Xu et al. 2022: spatial attention on the last map."""

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import UnbuildableNetwork


class Gate(Enum):
    """What becomes of the attention map before it multiplies."""

    SIGMOID = "sigmoid"
    """As in SE and CBAM, the cited relatives."""
    RESIDUAL = "residual"
    """1 + sigmoid: nothing is removed; for trunks whose head is trained already."""
    NONE = "none"
    """The paper's text taken literally."""


class Inner(Enum):
    """What stands between the two 1 x 1 convolutions."""

    RELU = "relu"
    NONE = "none"
    """Literal; the two convolutions then collapse to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionOptions:
    """What the paper leaves open, with the chosen reading as default."""

    maps: int = 1
    """D_fj, the number of attention maps; each is copied A_f = C / D_fj times."""
    inner: Inner = Inner.RELU
    gate: Gate = Gate.SIGMOID


class InfectionAttention(nn.Module):
    """1 x 1 convolution to C/4, another to the attention maps, a gate, and the product with the input.

    Raises
    ------
    UnbuildableNetwork
        The attention maps do not divide the channels (Eq. 4 has no whole attention factor).
    """

    def __init__(self, channels: int, options: AttentionOptions | None = None) -> None:
        super().__init__()
        self.options = options or AttentionOptions()
        if self.options.maps < 1 or channels % self.options.maps:
            raise UnbuildableNetwork(f"{channels} channels cannot share {self.options.maps} attention maps")
        self.attention_factor = channels // self.options.maps
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.score = nn.Conv2d(channels // 4, self.options.maps, 1)

    def attention(self, x: Tensor) -> Tensor:
        """Return the attention maps (n, maps, rows, columns) after the gate."""
        inner = self.reduce(x)
        if self.options.inner is Inner.RELU:
            inner = functional.relu(inner)
        scored: Tensor = self.score(inner)
        match self.options.gate:
            case Gate.SIGMOID:
                return torch.sigmoid(scored)
            case Gate.RESIDUAL:
                return 1 + torch.sigmoid(scored)
            case Gate.NONE:
                return scored

    def forward(self, x: Tensor) -> Tensor:
        """Return x (n, channels, rows, columns) with every place weighted."""
        attention = self.attention(x)
        if self.options.maps > 1:
            attention = attention.repeat_interleave(self.attention_factor, dim=1)
        return x * attention
