"""What every network offers to training, to serving and to the heat map."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn


class HeatMapKind(Enum):
    """How a network's heat map relates to its logits."""

    EXACT = "exact CAM"
    """The map's spatial mean and the bias are the logit (Zhou et al. 2016)."""
    EXACT_MULTI_SCALE = "exact multi-scale CAM"
    """The means of several maps, the bias and the unplaced rest of the deepest are the logit."""
    LINEARISED = "Grad-CAM in closed form"
    """The head is linearised at the pooled features: Grad-CAM's map without a backward pass."""
    GRADIENT = "Grad-CAM through the head"
    """A backward pass through the head only; no graph can be exported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What one forward pass leaves for the logits, the heat map and the chest gate."""

    last_map: Tensor
    """(n, channels, rows, columns): the last spatial map."""

    @property
    def pooled(self) -> Tensor:
        """(n, channels): spatial mean of ``last_map``."""
        return self.last_map.mean((2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Logits with the places that speak for them, for every label at once."""

    logits: Tensor
    """(n, labels)."""
    pooled: Tensor
    """(n, channels): what the chest gate measures."""
    maps: tuple[Tensor, ...]
    """One map (n, labels, rows_i, columns_i) a scale, fine to coarse, without what has no place."""

    @property
    def evidence_by_scale(self) -> Tensor:
        """(n, labels, scales): each scale's contribution to the logit that has a place."""
        return torch.stack([m.mean((2, 3)) for m in self.maps], dim=2)

    @property
    def unplaced(self) -> Tensor:
        """(n, labels): the rest of the logit, the bias included."""
        rest: Tensor = self.logits - self.evidence_by_scale.sum(2)
        return rest


class ChestNetwork(nn.Module, ABC):
    """A classifier of images (n, 3, rows, columns) in 0..255; in ``eval`` no sample sees another."""

    heat_map: HeatMapKind
    serves: bool = True
    """False for reproductions that must never answer for a patient."""

    @abstractmethod
    def features(self, images: Tensor) -> Features:
        """Run everything up to the last spatial map."""

    @abstractmethod
    def logits(self, features: Features) -> Tensor:
        """Return the class logits (n, labels)."""

    @abstractmethod
    def maps(self, features: Features) -> tuple[Tensor, ...]:
        """Return each scale's map (n, labels, rows_i, columns_i) for every label."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the class logits (n, labels)."""
        return self.logits(self.features(images))

    def explained(self, images: Tensor) -> Explained:
        """Return logits, pooled features and maps from one forward pass."""
        features = self.features(images)
        return Explained(logits=self.logits(features), pooled=features.pooled, maps=self.maps(features))


def placed(class_weights: Tensor, features: Tensor) -> Tensor:
    """Return W_c . f(p), (n, labels, rows, columns), for W (labels, channels) or (n, labels, channels).

    A product of matrices, and no size but the batch's is left open: an exported graph runs it fastest.
    """
    channels, rows, columns = features.shape[1:]
    products: Tensor = class_weights @ features.reshape(-1, channels, rows * columns)
    return products.reshape(-1, class_weights.shape[-2], rows, columns)


def xavier(module: nn.Module) -> None:
    """Initialise as MXNet's ``init.Xavier()`` does: layers that are added to a trunk."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
