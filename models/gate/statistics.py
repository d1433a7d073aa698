"""What the gate keeps beside the weights, and the scores that it takes of pictures."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.contract import GateScore, GateSettings
from models.gate.feature_space import FeatureSpace, from_precision

Scores = dict[GateScore, Tensor]
"""(n,) each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatistics:
    """What chest pictures look like: fitted on training pictures, stored beside the weights."""

    template: Tensor
    """(32, 32): right thumbnails lie higher along it than the same ones shown wrongly."""
    typical: Tensor
    """(32, 32): mean of right thumbnails, of length 1."""
    space: FeatureSpace
    axis: Tensor
    """(channels,): direction of the features along which made outliers lie higher than training pictures."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the statistics by their names in the weights' file."""
        return {
            "gate.template": self.template,
            "gate.typical": self.typical,
            "gate.mean": self.space.mean,
            "gate.directions": self.space.directions,
            "gate.variances": self.space.variances,
            "gate.residual": self.space.residual,
            "gate.axis": self.axis,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "GateStatistics":
        """Read the statistics back, also those of weights 0.1.0."""
        mean, template = tensors["gate.mean"], tensors["gate.template"]
        if "gate.precision" in tensors:
            space = from_precision(mean, tensors["gate.precision"])
            return cls(template=template, typical=template, space=space, axis=torch.zeros_like(mean))
        space = FeatureSpace(
            mean=mean,
            directions=tensors["gate.directions"],
            variances=tensors["gate.variances"],
            residual=tensors["gate.residual"],
        )
        return cls(template=template, typical=tensors["gate.typical"], space=space, axis=tensors["gate.axis"])

    def scores(self, standardised: Tensor, pooled: Tensor, logits: Tensor) -> Scores:
        """Return every score of thumbnails (n, 32, 32), features (n, channels) and logits (n, labels)."""
        return {
            GateScore.DISTANCE: self.space.distance(pooled),
            GateScore.RESIDUAL: self.space.outside(pooled),
            GateScore.ENERGY: -torch.logsumexp(logits, 1),
            GateScore.TEMPLATE: self.unlikeness(standardised),
            GateScore.AXIS: (pooled - self.space.mean) @ self.axis,
        }

    def unlikeness(self, standardised: Tensor) -> Tensor:
        """Return how little (n,) thumbnails (n, 32, 32) look like a right picture's."""
        return -(standardised * self.template).sum((1, 2))


def excesses(scores: Scores, settings: GateSettings) -> Scores:
    """Return each limited score (n,) on one scale: 0 is typical, 1 is its limit."""
    return {
        name: (scores[name].double() - at.typical) / (at.limit - at.typical)
        for name, at in settings.limits.items()
    }


def largest_excess(scores: Scores, settings: GateSettings) -> Tensor:
    """Return the largest excess (n,) of the limited scores: what the gate decides by."""
    return torch.stack(list(excesses(scores, settings).values())).amax(0)
