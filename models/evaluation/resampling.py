"""Resamples in which whole groups (patients, as far as known) are drawn, and the intervals they give."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contract import Estimate

ROUNDS = 1000
LEVEL = 0.95
DIGITS = 4
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resamples:
    """How often each group was drawn in each round; no rounds where there is one group only."""

    which: npt.NDArray[np.intp]
    """(n,): each row's group."""
    drawn: Counts
    """(rounds, groups)."""

    def sums(self, values: Counts) -> Counts:
        """Return (rounds, m): in each round the sum of values (n, m) over its rows."""
        by_group = np.zeros((self.drawn.shape[1], values.shape[1]))
        np.add.at(by_group, self.which, values)
        summed: Counts = self.drawn @ by_group
        return summed

    def weights(self) -> Iterator[Counts]:
        """Yield for each round how often each row (n,) is in it."""
        for counts in self.drawn:
            yield counts[self.which]

    def each(self, figure: Callable[[Counts], float]) -> Counts:
        """Return (rounds,): a figure of the rows' weights (n,) in each round."""
        return np.array([figure(weights) for weights in self.weights()])


def resample(groups: Sequence[str], *, seed: int, rounds: int = ROUNDS) -> Resamples:
    """Draw as many groups as there are, with replacement, once a round."""
    names, which = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        return Resamples(which=which, drawn=np.empty((0, len(names))))
    draw = np.random.default_rng(seed)
    drawn = [
        np.bincount(draw.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(rounds)
    ]
    return Resamples(which=which, drawn=np.stack(drawn).astype(np.float64))


def estimate(value: float, sampled: Counts) -> Estimate:
    """Return a figure with the interval of its resampled values (rounds,)."""
    low, high = interval(sampled)
    return Estimate(value=round(float(value), DIGITS), low=low, high=high)


def interval(values: Counts) -> tuple[float | None, float | None]:
    """Return the central 95 % of resampled values, or nothing when none is a number."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None, None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return round(float(low), DIGITS), round(float(high), DIGITS)
