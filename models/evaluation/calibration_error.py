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
    accuracy: Estimate
    """With its interval by group."""


def reliability(confidence: Counts, right: Truths, resamples: Resamples) -> tuple[ReliabilityBin, ...]:
    """Return the 15 equal bins of confidence (n,), the probability of the answer that was given."""
    inside = np.eye(BINS)[_bin_of(confidence)]
    rows, hits = inside.sum(axis=0), inside[right].sum(axis=0)
    mass = (inside * confidence[:, None]).sum(axis=0)
    drawn_rows, drawn_hits = resamples.sums(inside), resamples.sums(inside * right[:, None])
    return tuple(
        ReliabilityBin(
            low=k / BINS,
            high=(k + 1) / BINS,
            rows=int(rows[k]),
            confidence=float(mass[k] / max(rows[k], 1)),
            accuracy=estimate(hits[k] / max(rows[k], 1), _shares(drawn_hits[:, k], drawn_rows[:, k])),
        )
        for k in range(BINS)
    )


def calibration_error(confidence: Counts, right: Truths, resamples: Resamples) -> Estimate:
    """Return the expected calibration error with its interval: the mean gap over the bins, by their rows."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), _bin_of(confidence)] = confidence - right
    rows = resamples.sums(np.ones((len(confidence), 1)))[:, 0]
    value = np.abs(gaps.sum(axis=0)).sum() / len(confidence)
    return estimate(float(value), np.abs(resamples.sums(gaps)).sum(axis=1) / rows)


def _bin_of(confidence: Counts) -> npt.NDArray[np.intp]:
    return np.minimum((confidence * BINS).astype(np.intp), BINS - 1)


def _shares(hits: Counts, rows: Counts) -> Counts:
    """Return the shares of the resamples that have such a row."""
    there = rows > 0
    shares: Counts = hits[there] / rows[there]
    return shares
