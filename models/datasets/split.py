"""Splits that keep a patient on one side."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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


def split_by_image(rows: Sequence[ImageRow], *, validation_share: float, seed: int) -> Split:
    """Draw single pictures of each label into validation, whoever's they are.

    Pictures of one patient come to lie on both sides: only for repeating a published protocol that did so.
    Deterministic in the rows' files and the seed, not in their order.
    """
    files: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.file):
        files[row.label].append(row.file)
    draw = Random(seed)
    chosen: set[str] = set()
    for label in sorted(files):
        chosen.update(draw.sample(files[label], round(len(files[label]) * validation_share)))
    return Split(
        training=tuple(row for row in rows if row.file not in chosen),
        validation=tuple(row for row in rows if row.file in chosen),
    )


def hold_out(rows: Sequence[ImageRow], *, wanted: Mapping[str, int], seed: int) -> Split:
    """Draw whole groups into validation until each label has as many rows there as wanted, and never more.

    Fewer are held out only where no group is small enough to fill the rest. Deterministic in the rows'
    groups and the seed, not in their order.
    """
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        members[row.group][row.label] += 1
    order = sorted(members)
    Random(seed).shuffle(order)
    left = Counter(wanted)
    chosen: set[str] = set()
    for group in order:
        if all(n <= left[label] for label, n in members[group].items()):
            chosen.add(group)
            left.subtract(members[group])
    return Split(
        training=tuple(row for row in rows if row.group not in chosen),
        validation=tuple(row for row in rows if row.group in chosen),
    )
