"""CPU time of alternatives, in interleaved rounds: on a busy machine only their ratios mean something."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, least and most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(median=statistics.median(values), least=min(values), most=max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}, {self.most:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """What every alternative took in every round, in milliseconds of the process's CPU time."""

    taken: Mapping[str, list[float]]

    def spread(self, name: str) -> Spread:
        return Spread.of(self.taken[name])

    def ratio(self, slower: str, faster: str) -> Spread:
        """How many times as long one takes as another, round by round."""
        pairs = zip(self.taken[slower], self.taken[faster], strict=True)
        return Spread.of([one / other for one, other in pairs])


def race(alternatives: Mapping[str, Callable[[], object]], rounds: int) -> Race:
    """Run each alternative once to warm up, then all of them in turn, round after round."""
    for run in alternatives.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(rounds):
        for name, run in alternatives.items():
            run()  # the caches belong to another alternative still
            began = time.process_time()
            run()
            taken[name].append((time.process_time() - began) * 1e3)
    return Race(taken=taken)
