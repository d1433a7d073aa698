"""A published data set as it was read: its rows, its split, what that split leaks and what is missing."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from models.datasets.image_files import FolderNotAsReleased
from models.datasets.manifest import TRAIN, ImageRow
from models.datasets.split import Split

VALIDATION, TEST = "validation", "test"
ALL = "all"
"""In published counts: whatever the side, where the paper drew the sides at random."""

Counts = Mapping[tuple[str, str], int]
"""Pictures by part and label."""


class Grouping(Enum):
    """What a row's group stands for."""

    PATIENT = "the release names the patients"
    PARTLY = "the release names some patients; other groups are single pictures"
    SUBSTITUTE = "the release names no patients; groups are the best substitute"


class Leak(Enum):
    """Whether a patient can be on two sides of a split, which makes every figure on it too good."""

    NONE = "no patient is on two sides"
    POSSIBLE = "no group is on two sides, but patients are not all known"
    CERTAIN = "the same group is on two sides"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSplit:
    """The sides of a data set, and by which rule they came about."""

    rule: str
    grouping: Grouping
    training: tuple[ImageRow, ...]
    validation: tuple[ImageRow, ...] = ()
    test: tuple[ImageRow, ...] = ()

    @property
    def shared_groups(self) -> frozenset[str]:
        """Groups with rows on more than one side."""
        sides = [{row.group for row in side} for side in (self.training, self.validation, self.test)]
        seen = Counter(group for side in sides for group in side)
        return frozenset(group for group, n in seen.items() if n > 1)

    @property
    def leak(self) -> Leak:
        """What is known about patients on two sides; to be printed beside every result."""
        if self.shared_groups:
            return Leak.CERTAIN
        return Leak.NONE if self.grouping is Grouping.PATIENT else Leak.POSSIBLE

    @property
    def to_fit(self) -> Split:
        """The rows to fit on and to choose by, without the test."""
        return Split(training=self.training, validation=self.validation)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What a reader found under a folder."""

    name: str
    rows: tuple[ImageRow, ...]
    split: PublishedSplit
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSetReader:
    """How to read one published data set, and what it must hold when it is complete."""

    name: str
    title: str
    paper: str
    licence: str
    layout: str
    published: Counts
    parse: Callable[[Path, int], DataSet]

    def read(self, root: Path, *, seed: int = 0) -> DataSet:
        """Read the data set below ``root``; the seed matters only where the paper drew at random.

        Raises
        ------
        DataMissing
            The folder is not there, is not laid out as released, or has none of the pictures.
        ManifestInvalid
            A list or a table of the release does not say what it must.
        """
        found = self.parse(root, seed)
        if not found.rows:
            raise FolderNotAsReleased(root, f"pictures in {self.layout}")
        differing = [check.message for check in check_counts(self, found) if not check.agrees]
        return replace(found, warnings=(*found.warnings, *differing))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountCheck:
    """The published and the found number of one label's pictures on one side."""

    data_set: str
    part: str
    label: str
    published: int
    found: int

    @property
    def agrees(self) -> bool:
        """Whether the copy has exactly what was published."""
        return self.published == self.found

    @property
    def message(self) -> str:
        """Say both numbers in one line."""
        return f"{self.data_set}: {self.part} {self.label}: {self.published} published, {self.found} found"


def check_counts(reader: DataSetReader, found: DataSet) -> tuple[CountCheck, ...]:
    """Compare what was found with what was published; a partial copy is reported, never refused.

    A reader without published counts (the project's own manifests) has nothing to compare.
    """
    whole = any(part == ALL for part, _ in reader.published)
    counts = Counter((ALL if whole else row.part, row.label) for row in found.rows)
    places = sorted({*reader.published, *counts}) if reader.published else ()
    return tuple(
        CountCheck(
            data_set=found.name,
            part=part,
            label=label,
            published=reader.published.get((part, label), 0),
            found=counts[part, label],
        )
        for part, label in places
    )


def by_part(rows: Sequence[ImageRow], *, rule: str, grouping: Grouping) -> PublishedSplit:
    """Return the sides that the rows' parts say."""
    sides: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        sides[row.part].append(row)
    return PublishedSplit(
        rule=rule,
        grouping=grouping,
        training=tuple(sides[TRAIN]),
        validation=tuple(sides[VALIDATION]),
        test=tuple(sides[TEST]),
    )


def with_part(rows: Sequence[ImageRow], part: str) -> tuple[ImageRow, ...]:
    """Return the rows moved to a side."""
    return tuple(replace(row, part=part) for row in rows)


def leak_warning(name: str, split: PublishedSplit) -> tuple[str, ...]:
    """Return a line that says how far the split's figures can be believed; none where no patient leaks."""
    shared = len(split.shared_groups)
    match split.leak:
        case Leak.NONE:
            return ()
        case Leak.POSSIBLE:
            return (f"{name}: {split.leak.value} ({split.grouping.value})",)
        case Leak.CERTAIN:
            return (f"{name}: {split.leak.value}: {shared} groups; figures on this split are too good",)
