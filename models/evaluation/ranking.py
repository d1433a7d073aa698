"""ROC curves and the area under them, also of weighted rows; ties count half."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contract import Estimate
from models.evaluation.resampling import Counts, Resamples, estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class RocCurve:
    """Both rates from the strictest threshold to the most lenient, with their area."""

    false_positive_rate: Counts
    sensitivity: Counts
    area: float


class Ranking:
    """Rows in the order of their score, equal scores in one block."""

    def __init__(self, scores: Counts, positive: npt.NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._positive = positive[self._order]
        changes = np.diff(scores[self._order]) > 0
        self._blocks = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.intp)

    def area(self, weights: Counts) -> float:
        """Return the area under the curve of rows that count ``weights`` (n,) times; NaN for one class."""
        positive, negative = self._by_block(weights)
        pairs = positive.sum() * negative.sum()
        if not pairs:
            return float("nan")
        below = negative.cumsum() - negative / 2
        return float(positive @ below / pairs)

    def curve(self) -> RocCurve:
        """Return the curve of the rows as they are."""
        ones = np.ones(len(self._order))
        positive, negative = self._by_block(ones)
        return RocCurve(
            false_positive_rate=_running_share(negative),
            sensitivity=_running_share(positive),
            area=self.area(ones),
        )

    def _by_block(self, weights: Counts) -> tuple[Counts, Counts]:
        ordered = weights[self._order]
        positive = np.add.reduceat(ordered * self._positive, self._blocks)
        negative = np.add.reduceat(ordered * ~self._positive, self._blocks)
        return positive, negative


def roc_areas(
    scores: Counts, positive: npt.NDArray[np.bool_], resamples: Resamples
) -> tuple[float, Counts] | None:
    """Return the area and its resampled values (rounds,), or nothing when all rows are of one class."""
    if not positive.any() or positive.all():
        return None
    ranking = Ranking(scores, positive)
    return ranking.area(np.ones(len(scores))), resamples.each(ranking.area)


def roc_auc(scores: Counts, positive: npt.NDArray[np.bool_], resamples: Resamples) -> Estimate | None:
    """Return the area under the ROC curve with its interval; nothing when all rows are of one class."""
    found = roc_areas(scores, positive, resamples)
    return estimate(*found) if found else None


def _running_share(blocks: Counts) -> Counts:
    shares: Counts = np.concatenate([[0.0], blocks[::-1].cumsum()]) / blocks.sum()
    return shares
