"""How far confidence and accuracy are apart, bin by bin: the reliability diagram and its mean gap."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contract import Estimate
from models.evaluation.resampling import Counts, Resamples, estimate

BINS = 15
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The rows of one stretch of confidence."""

    low: float
    high: float
    rows: int
    confidence: float
    """Mean over the rows; 0 where there are none."""
    accuracy: float


def reliability(confidence: Counts, right: Truths) -> tuple[ReliabilityBin, ...]:
    """Return the 15 equal bins of confidence (n,), the probability of the answer that was given."""
    which = _bin_of(confidence)
    return tuple(_bin(k, confidence[which == k], right[which == k]) for k in range(BINS))


def calibration_error(confidence: Counts, right: Truths, resamples: Resamples) -> Estimate:
    """Return the expected calibration error with its interval: the mean gap over the bins, by their rows."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), _bin_of(confidence)] = confidence - right
    rows = resamples.sums(np.ones((len(confidence), 1)))[:, 0]
    value = np.abs(gaps.sum(axis=0)).sum() / len(confidence)
    return estimate(float(value), np.abs(resamples.sums(gaps)).sum(axis=1) / rows)


def _bin_of(confidence: Counts) -> npt.NDArray[np.intp]:
    return np.minimum((confidence * BINS).astype(np.intp), BINS - 1)


def _bin(number: int, confidence: Counts, right: Truths) -> ReliabilityBin:
    rows = len(confidence)
    return ReliabilityBin(
        low=number / BINS,
        high=(number + 1) / BINS,
        rows=rows,
        confidence=float(confidence.mean()) if rows else 0.0,
        accuracy=float(right.mean()) if rows else 0.0,
    )
