"""Where the features of training pictures lie: a few main directions, and what is left of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_DIRECTIONS = 64
SHRINKAGE = 0.1
"""Of the kept variances towards their mean: small ones are estimated too small."""
_RIDGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpace:
    """The main directions of features (n, channels); float32, a third of a megabyte for 1280 channels."""

    mean: Tensor
    """(channels,)."""
    directions: Tensor
    """(k, channels), orthonormal."""
    variances: Tensor
    """(k,), shrunk."""
    residual: Tensor
    """(1,): variance of training features outside the directions; 0 where these span everything."""

    def distance(self, features: Tensor) -> Tensor:
        """Return the Mahalanobis distance (n,) within the directions, over the root of their number."""
        along = (features - self.mean) @ self.directions.T
        return (along.square() / self.variances).mean(1).sqrt()

    def outside(self, features: Tensor) -> Tensor:
        """Return the length (n,) of what the directions leave, in units of a training picture's."""
        offset = features - self.mean
        along = offset @ self.directions.T
        left = (offset.square().sum(1) - along.square().sum(1)).clamp(min=0)
        return (left / self.residual.clamp(min=1e-12)).sqrt() if self.residual > 0 else torch.zeros(len(left))


def fit_feature_space(features: Tensor, weights: Tensor) -> FeatureSpace:
    """Fit on training features (n, channels), each row counting by its weight (n,), which sum to 1."""
    mean, covariance = _moments(features.double(), weights.double())
    values, vectors = torch.linalg.eigh(covariance)
    kept = min(MOST_DIRECTIONS, len(features) // 4, len(mean) - 1)
    variances = values.flip(0)[:kept].clamp(min=1e-9)
    shrunk = (1 - SHRINKAGE) * variances + SHRINKAGE * variances.mean()
    return FeatureSpace(
        mean=mean.float(),
        directions=vectors.T.flip(0)[:kept].float().contiguous(),
        variances=shrunk.float(),
        residual=values.flip(0)[kept:].clamp(min=0).sum()[None].float(),
    )


def from_precision(mean: Tensor, precision: Tensor) -> FeatureSpace:
    """Return the space of weights 0.1.0, which stored the whole inverse covariance (channels, channels)."""
    values, vectors = torch.linalg.eigh(precision.double())
    return FeatureSpace(
        mean=mean,
        directions=vectors.T.float().contiguous(),
        variances=(1 / values).float(),
        residual=torch.zeros(1),
    )


def telling_direction(ours: Tensor, weights: Tensor, others: Tensor) -> Tensor:
    """Return Fisher's direction (channels,) along which others lie higher than ours; both (n, channels)."""
    mean, covariance = _moments(ours.double(), weights.double())
    even = torch.full((len(others),), 1 / len(others), dtype=torch.float64)
    theirs, spread = _moments(others.double(), even)
    within = (covariance + spread) / 2
    within += _RIDGE * within.diagonal().mean() * torch.eye(len(mean), dtype=torch.float64)
    direction: Tensor = torch.linalg.solve(within, theirs - mean)
    return direction.float()


def _moments(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = weights @ features
    centred = features - mean
    return mean, centred.T @ (centred * weights[:, None])
