"""Five classes become four and three, and nothing but the label changes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from models.datasets.label_merges import LABEL_MERGES, LabelMerge, merge_labels
from models.datasets.manifest import ImageRow

_FOUND = {"covid19": 5, "tuberculosis": 4, "normal": 3, "pneumonia_bacterial": 2, "pneumonia_viral": 1}


@pytest.fixture
def rows(row_of: Callable[..., ImageRow]) -> tuple[ImageRow, ...]:
    return tuple(row_of(f"{label}{n}", label) for label, found in _FOUND.items() for n in range(found))


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        (LabelMerge.FIVE, _FOUND),
        (LabelMerge.FOUR, {"covid19": 5, "tuberculosis": 4, "normal": 3, "pneumonia": 3}),
        (LabelMerge.THREE, {"covid19": 5, "normal": 3, "non_covid_infection": 7}),
    ],
)
def test_merged_classes_hold_the_sum_of_what_they_merge(
    rows: tuple[ImageRow, ...], merge: LabelMerge, expected: dict[str, int]
) -> None:
    assert Counter(row.label for row in merge_labels(rows, merge)) == expected


def test_only_the_label_of_a_row_changes_and_the_order_stays(rows: tuple[ImageRow, ...]) -> None:
    merged = merge_labels(rows, LabelMerge.THREE)
    assert [replace(row, label="") for row in merged] == [replace(row, label="") for row in rows]


def test_four_classes_merge_on_to_the_same_three(rows: tuple[ImageRow, ...]) -> None:
    by_way_of_four = merge_labels(merge_labels(rows, LabelMerge.FOUR), LabelMerge.THREE)
    assert by_way_of_four == merge_labels(rows, LabelMerge.THREE)


def test_every_merge_has_a_mapping() -> None:
    assert set(LABEL_MERGES) == set(LabelMerge)
