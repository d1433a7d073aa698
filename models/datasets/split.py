"""Splits that keep a patient on one side."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from models.datasets.manifest import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows to fit on and rows to choose by; no group is in both."""

    training: tuple[ImageRow, ...]
    validation: tuple[ImageRow, ...]


def split_by_group(rows: Sequence[ImageRow], *, validation_share: float, seed: int) -> Split:
    """Draw whole groups into validation until each label of each source has its share there.

    Deterministic in the rows' groups and the seed, not in their order.
    """
    members: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        members[row.group].append(row)
    wanted = {stratum: n * validation_share for stratum, n in Counter(row.stratum for row in rows).items()}
    order = sorted(members)
    Random(seed).shuffle(order)
    taken: Counter[tuple[str, str]] = Counter()
    chosen: set[str] = set()
    for group in order:
        strata = Counter(row.stratum for row in members[group])
        if all(taken[s] + n / 2 <= wanted[s] for s, n in strata.items()):
            chosen.add(group)
            taken.update(strata)
    return Split(
        training=tuple(row for row in rows if row.group not in chosen),
        validation=tuple(row for row in rows if row.group in chosen),
    )
