"""Cross-validation that keeps a patient in one fold and every label of every source in proportion."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from random import Random

from models.datasets.manifest import ImageRow
from models.datasets.split import Split

_Strata = Counter[tuple[str, str]]


def grouped_folds(rows: Sequence[ImageRow], *, folds: int, seed: int) -> tuple[Split, ...]:
    """Return one split a fold: its validation rows are the fold, its training rows all the others.

    Every row is in exactly one fold's validation. Deterministic in the rows' groups and the seed, not in
    their order. Jia et al. section 5.1: five folds of the rows that are not in the fixed test.

    Raises
    ------
    ValueError
        There are fewer than two folds, or fewer groups than folds.
    """
    strata: dict[str, _Strata] = defaultdict(Counter)
    for row in rows:
        strata[row.group][row.stratum] += 1
    if folds < 2 or len(strata) < folds:
        raise ValueError(f"{len(strata)} groups cannot make {folds} folds")
    fold_of = _deal(strata, folds=folds, seed=seed)
    return tuple(
        Split(
            training=tuple(row for row in rows if fold_of[row.group] != fold),
            validation=tuple(row for row in rows if fold_of[row.group] == fold),
        )
        for fold in range(folds)
    )


def _deal(strata: Mapping[str, _Strata], *, folds: int, seed: int) -> dict[str, int]:
    """Deal the groups out, the largest first, each to the fold that has least of what the group brings."""
    order = sorted(strata)
    Random(seed).shuffle(order)
    order.sort(key=lambda group: -strata[group].total())
    totals: _Strata = Counter()
    for counts in strata.values():
        totals.update(counts)
    held: list[_Strata] = [Counter() for _ in range(folds)]
    fold_of: dict[str, int] = {}
    for group in order:
        brings = strata[group]
        fold_of[group] = min(range(folds), key=lambda fold: _fullness(held[fold], brings, totals))
        held[fold_of[group]].update(brings)
    return fold_of


def _fullness(held: _Strata, brings: _Strata, totals: _Strata) -> tuple[float, int]:
    return sum(n * held[stratum] / totals[stratum] for stratum, n in brings.items()), held.total()
