"""Is this a chest film? Quality checks, likeness to the mean training film, distance of its features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.contract import FloatArray, GateSettings, GateVerdict

THUMBNAIL = 32
LEAST_SPREAD = 0.02
"""Standard deviation of a film in [0, 1] below which it is blank."""
MOST_SATURATED = 0.75
"""Share of pixels at either end above which nothing is left to read."""
SHRINKAGE = 0.1
EACH_TAIL = 0.005
"""Share of validation films that each of the two checks may refuse: 99 % pass both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatistics:
    """What chest films look like: fitted on training films, stored beside the weights."""

    template: Tensor
    """(32, 32): mean of the standardised thumbnails."""
    mean: Tensor
    """(channels,): mean of the pooled features."""
    precision: Tensor
    """(channels, channels): inverse of their shrunk covariance."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the statistics by their names in the weights' file."""
        return {"gate.template": self.template, "gate.mean": self.mean, "gate.precision": self.precision}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "GateStatistics":
        """Read the statistics back."""
        return cls(
            template=tensors["gate.template"], mean=tensors["gate.mean"], precision=tensors["gate.precision"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestGate:
    """The gate as it serves."""

    statistics: GateStatistics
    settings: GateSettings

    def judge(self, pixels: FloatArray, pooled: Tensor) -> GateVerdict:
        """Judge a film (rows, columns) in [0, 1], white is dense, with pooled features (channels,)."""
        fault = quality_fault(pixels)
        if fault:
            return GateVerdict(passed=False, score=0.0, reason=fault)
        likeness = float(resemblance(thumbnails(torch.from_numpy(pixels)[None]), self.statistics)[0])
        distance = float(feature_distance(pooled[None].float().cpu(), self.statistics)[0])
        reason = _objection(likeness, distance, self.settings)
        return GateVerdict(passed=not reason, score=likeness, reason=reason or "looks like a chest film")


def _objection(likeness: float, distance: float, settings: GateSettings) -> str:
    if likeness < -settings.least_resemblance:
        return f"no chest film, or an inverted one (resemblance {likeness:.2f})"
    if likeness < settings.least_resemblance:
        return f"does not look like a chest film (resemblance {likeness:.2f})"
    if distance > settings.most_distance:
        return f"unlike the films that the model knows (distance {distance:.1f})"
    return ""


def quality_fault(pixels: FloatArray) -> str:
    """Return why nothing can be read from a film, or an empty text."""
    if not np.isfinite(pixels).all():
        return "pixels are not numbers"
    if float(pixels.std()) < LEAST_SPREAD:
        return "the film is blank"
    saturated = float(np.mean((pixels <= 0.002) | (pixels >= 0.998)))
    if saturated > MOST_SATURATED:
        return f"the film is saturated ({saturated:.0%} black or white)"
    return ""


def thumbnails(images: Tensor) -> Tensor:
    """Return thumbnails (n, 32, 32), mean 0 and length 1, of grey images (n, rows, columns)."""
    small = functional.interpolate(images[:, None].float(), size=(THUMBNAIL, THUMBNAIL), mode="area")[:, 0]
    centred = small - small.mean((1, 2), keepdim=True)
    length = centred.square().sum((1, 2), keepdim=True).sqrt()
    return centred / length.clamp(min=1e-6)


def resemblance(standardised: Tensor, statistics: GateStatistics) -> Tensor:
    """Return the correlation (n,) of thumbnails with the mean film; negative for an inverted one."""
    return (standardised * statistics.template).sum((1, 2))


def feature_distance(pooled: Tensor, statistics: GateStatistics) -> Tensor:
    """Return the Mahalanobis distance (n,) of features (n, channels), over the root of channels."""
    offset = pooled - statistics.mean
    squared = torch.einsum("nc,cd,nd->n", offset, statistics.precision, offset)
    return (squared / pooled.shape[1]).clamp(min=0).sqrt()


def fit_statistics(standardised: Tensor, pooled: Tensor) -> GateStatistics:
    """Fit on training films: thumbnails (n, 32, 32) and pooled features (n, channels)."""
    template = standardised.mean(0)
    template = template - template.mean()
    mean = pooled.mean(0)
    centred = (pooled - mean).double()
    covariance = centred.T @ centred / len(pooled)
    typical = covariance.diagonal().mean()
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * typical * torch.eye(len(mean), dtype=torch.float64)
    return GateStatistics(
        template=template / template.square().sum().sqrt(),
        mean=mean,
        precision=torch.linalg.inv(shrunk).float().contiguous(),
    )


def fit_thresholds(likeness: npt.NDArray[np.float64], distance: npt.NDArray[np.float64]) -> GateSettings:
    """Choose thresholds on validation films so that 99 % of them pass."""
    least, most = float(np.quantile(likeness, EACH_TAIL)), float(np.quantile(distance, 1 - EACH_TAIL))
    passed = float(np.mean((likeness >= least) & (distance <= most)))
    return GateSettings(least_resemblance=least, most_distance=most, validation_pass_share=passed)
