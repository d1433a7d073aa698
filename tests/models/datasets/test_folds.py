"""Every row is validated once, a patient is in one fold, and each fold is like the whole."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from models.datasets.folds import grouped_folds
from models.datasets.manifest import ImageRow


@pytest.fixture
def rows(row_of: Callable[..., ImageRow]) -> list[ImageRow]:
    draw = Random(5)
    return [
        row_of(f"{source}{label}{patient}-{n}", label, group=f"{source}{label}{patient}", source=source)
        for source, label, patients in (("a", "x", 120), ("a", "y", 60), ("b", "x", 40))
        for patient in range(patients)
        for n in range(draw.randint(1, 5))
    ]


def test_every_row_is_validated_in_one_fold_and_trains_in_the_others(rows: list[ImageRow]) -> None:
    folds = grouped_folds(rows, folds=5, seed=0)
    assert sorted(row.file for fold in folds for row in fold.validation) == sorted(row.file for row in rows)
    assert all(len(fold.training) + len(fold.validation) == len(rows) for fold in folds)


def test_no_group_is_on_both_sides_of_a_fold(rows: list[ImageRow]) -> None:
    for fold in grouped_folds(rows, folds=5, seed=0):
        assert not {row.group for row in fold.training} & {row.group for row in fold.validation}


def test_every_fold_has_a_fifth_of_every_label_of_every_source(rows: list[ImageRow]) -> None:
    whole = Counter(row.stratum for row in rows)
    for fold in grouped_folds(rows, folds=5, seed=0):
        held = Counter(row.stratum for row in fold.validation)
        assert all(abs(held[stratum] / n - 0.2) < 0.03 for stratum, n in whole.items())


def test_the_same_seed_folds_alike_in_any_order_and_another_seed_does_not(rows: list[ImageRow]) -> None:
    def files(of: list[ImageRow], seed: int) -> list[set[str]]:
        return [{row.file for row in fold.validation} for fold in grouped_folds(of, folds=5, seed=seed)]

    assert files(rows, 0) == files(rows[::-1], 0)
    assert files(rows, 0) != files(rows, 1)


@pytest.mark.parametrize("folds", [1, 4])
def test_fewer_groups_than_folds_or_a_single_fold_are_refused(
    row_of: Callable[..., ImageRow], folds: int
) -> None:
    with pytest.raises(ValueError, match="3 groups cannot"):
        grouped_folds([row_of(name) for name in "abc"], folds=folds, seed=0)
