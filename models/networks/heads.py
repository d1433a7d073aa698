"""From the last spatial map to logits and heat maps: one head a family of networks."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.interface import ChestNetwork, Features, HeatMapKind, placed


class Head(nn.Module, ABC):
    """Logits and heat maps of a last map (n, channels, rows, columns)."""

    heat_map: HeatMapKind

    @abstractmethod
    def forward(self, last_map: Tensor) -> Tensor:
        """Return logits (n, labels)."""

    @abstractmethod
    def maps(self, last_map: Tensor) -> Tensor:
        """Return one heat map a label (n, labels, rows, columns)."""


class HeadedNetwork(ChestNetwork):
    """A network whose logits depend on the last map alone."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self.heat_map = head.heat_map

    def logits(self, features: Features) -> Tensor:
        """Return the class logits (n, labels)."""
        out: Tensor = self.head(features.last_map)
        return out

    def maps(self, features: Features) -> tuple[Tensor, ...]:
        """Return one map (n, labels, rows, columns) in a tuple."""
        return (self.head.maps(features.last_map),)


class PooledLinearHead(Head):
    """Global average pooling, dropout, linear: map_c(p) = W_c . f(p), whose mean and bias are the logit."""

    heat_map = HeatMapKind.EXACT

    def __init__(self, channels: int, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, classes)

    def forward(self, last_map: Tensor) -> Tensor:
        """Return logits (n, labels)."""
        out: Tensor = self.linear(self.dropout(last_map.mean((2, 3))))
        return out

    def maps(self, last_map: Tensor) -> Tensor:
        """Return one heat map a label (n, labels, rows, columns)."""
        return placed(self.linear.weight, last_map)


class HardSwishHead(Head):
    """MobileNetV3's head: pooling, 1x1 convolution without bias, h-swish, dropout, linear."""

    heat_map = HeatMapKind.LINEARISED

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, width, bias=False)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(width, classes)

    def forward(self, last_map: Tensor) -> Tensor:
        """Return logits (n, labels)."""
        active = functional.hardswish(self.project(last_map.mean((2, 3))))
        out: Tensor = self.linear(self.dropout(active))
        return out

    def maps(self, last_map: Tensor) -> Tensor:
        """Return d logit_c / d f . f(p): pooling gives every place the same gradient."""
        before = self.project(last_map.mean((2, 3)))
        slopes = torch.einsum("kj,nj->nkj", self.linear.weight, hardswish_slope(before))
        return placed(slopes @ self.project.weight, last_map)


class LogitMapHead(Head):
    """SqueezeNet's head: a 1x1 convolution to one map a class, ReLU, average; the map is its own CAM.

    ``corner`` averages the top left 13 x 13 cells only: the authors' GluonCV net pools 13 x 13 with stride
    13, which at 299 px leaves the rest of the 18 x 18 map out.
    """

    heat_map = HeatMapKind.EXACT

    def __init__(self, channels: int, classes: int, *, corner: int | None = None) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.conv = nn.Conv2d(channels, classes, 1)
        self.corner = corner

    def forward(self, last_map: Tensor) -> Tensor:
        """Return logits (n, labels)."""
        return self._counted(functional.relu(self.conv(self.dropout(last_map)))).mean((2, 3))

    def maps(self, last_map: Tensor) -> Tensor:
        """Return one heat map a label (n, labels, rows, columns), of the cells that count."""
        return self._counted(functional.relu(self.conv(last_map)))

    def _counted(self, logit_map: Tensor) -> Tensor:
        return logit_map if self.corner is None else logit_map[..., : self.corner, : self.corner]


class FlattenHead(Head):
    """VGG's head: 7 x 7 pooling and three fully connected layers; only a backward pass gives its map."""

    heat_map = HeatMapKind.GRADIENT

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d((7, 7))
        self.layers = layers

    def forward(self, last_map: Tensor) -> Tensor:
        """Return logits (n, labels)."""
        out: Tensor = self.layers(self.pool(last_map).flatten(1))
        return out

    def maps(self, last_map: Tensor) -> Tensor:
        """Return Grad-CAM's maps as ``models.networks.grad_cam``, by backward passes of the head alone."""
        with torch.inference_mode(mode=False), torch.enable_grad():
            leaf = last_map.detach().clone().requires_grad_(True)
            logits = self(leaf)
            found = [
                torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0].sum((2, 3))
                for k in range(logits.shape[1])
            ]
        return placed(torch.stack(found, dim=1), last_map)


def hardswish_slope(t: Tensor) -> Tensor:
    """Return d hardswish / dt."""
    return torch.where(t >= 3, torch.ones_like(t), torch.where(t <= -3, torch.zeros_like(t), t / 3 + 0.5))
