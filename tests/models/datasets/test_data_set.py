"""A split says what it leaks, and a partial copy is reported label by label and never refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models.datasets.data_set import (
    ALL,
    DataSet,
    DataSetReader,
    Grouping,
    Leak,
    by_part,
    check_counts,
    leak_warning,
)
from models.datasets.image_files import FolderNotAsReleased
from models.datasets.manifest import ImageRow


@pytest.fixture
def rows(row_of: Callable[..., ImageRow]) -> tuple[ImageRow, ...]:
    sides = [("a", "train"), ("a", "train"), ("b", "validation"), ("c", "test")]
    return tuple(replace(row_of(f"{n}", group=group), part=part) for n, (group, part) in enumerate(sides))


def _reader(rows: tuple[ImageRow, ...], published: dict[tuple[str, str], int]) -> DataSetReader:
    split = by_part(rows, rule="r", grouping=Grouping.PATIENT)
    return DataSetReader(
        name="d",
        title="",
        paper="",
        licence="",
        layout="",
        published=published,
        parse=lambda _root, _seed: DataSet(name="d", rows=rows, split=split, warnings=("first",)),
    )


def test_rows_go_to_the_side_that_their_part_says(rows: tuple[ImageRow, ...]) -> None:
    split = by_part(rows, rule="r", grouping=Grouping.PATIENT)
    assert [len(side) for side in (split.training, split.validation, split.test)] == [2, 1, 1]
    assert split.to_fit.training == split.training
    assert split.to_fit.validation == split.validation


@pytest.mark.parametrize(
    ("grouping", "leak"),
    [
        (Grouping.PATIENT, Leak.NONE),
        (Grouping.PARTLY, Leak.POSSIBLE),
        (Grouping.SUBSTITUTE, Leak.POSSIBLE),
    ],
)
def test_only_named_patients_make_a_split_without_leak(
    rows: tuple[ImageRow, ...], grouping: Grouping, leak: Leak
) -> None:
    split = by_part(rows, rule="r", grouping=grouping)
    assert split.leak is leak
    assert bool(leak_warning("d", split)) is (leak is not Leak.NONE)


def test_a_group_on_two_sides_is_a_certain_leak_even_of_named_patients(rows: tuple[ImageRow, ...]) -> None:
    both = (*rows, replace(rows[0], file="again", part="test"))
    split = by_part(both, rule="r", grouping=Grouping.PATIENT)
    assert split.leak is Leak.CERTAIN
    assert split.shared_groups == {"a"}
    assert "1 groups" in leak_warning("d", split)[0]


def test_a_partial_copy_is_read_and_every_difference_is_one_warning(rows: tuple[ImageRow, ...]) -> None:
    published = {("train", "x"): 2, ("validation", "x"): 5, ("test", "y"): 1}
    found = _reader(rows, published).read(Path())
    assert found.warnings == (
        "first",
        "d: test x: 0 published, 1 found",
        "d: test y: 1 published, 0 found",
        "d: validation x: 5 published, 1 found",
    )


def test_counts_over_all_sides_do_not_look_at_the_sides(rows: tuple[ImageRow, ...]) -> None:
    reader = _reader(rows, {(ALL, "x"): 4})
    assert [(check.part, check.agrees) for check in check_counts(reader, reader.read(Path()))] == [
        (ALL, True)
    ]


def test_without_published_counts_there_is_nothing_to_warn_of(rows: tuple[ImageRow, ...]) -> None:
    assert _reader(rows, {}).read(Path()).warnings == ("first",)


def test_a_folder_without_a_single_picture_is_refused_whatever_lists_it_has() -> None:
    with pytest.raises(FolderNotAsReleased, match="pictures in"):
        _reader((), {("train", "x"): 2}).read(Path("empty"))
