"""A patient is on one side of a split, and each label of each source has its share."""

from collections import Counter
from random import Random

from models.datasets.manifest import ImageRow
from models.datasets.split import hold_out, split_by_group, split_by_image


def _rows() -> list[ImageRow]:
    draw = Random(3)
    rows = []
    for source, label, patients in (("a", "x", 200), ("a", "y", 100), ("b", "x", 60)):
        for patient in range(patients):
            rows += [
                ImageRow(
                    file=f"{source}{label}{patient}-{n}",
                    label=label,
                    source=source,
                    group=f"{source}{label}{patient}",
                    part="train",
                    sha256="",
                )
                for n in range(draw.randint(1, 6))
            ]
    return rows


def test_no_group_is_on_both_sides_and_no_row_is_lost() -> None:
    rows = _rows()
    split = split_by_group(rows, validation_share=0.2, seed=1)
    assert not {r.group for r in split.training} & {r.group for r in split.validation}
    assert len(split.training) + len(split.validation) == len(rows)


def test_every_stratum_has_its_share_of_validation_rows() -> None:
    rows = _rows()
    split = split_by_group(rows, validation_share=0.2, seed=1)
    total, held = Counter(r.stratum for r in rows), Counter(r.stratum for r in split.validation)
    for stratum, n in total.items():
        assert abs(held[stratum] / n - 0.2) < 0.03


def test_the_same_seed_splits_alike_in_any_order_and_another_seed_does_not() -> None:
    rows = _rows()
    first = {r.file for r in split_by_group(rows, validation_share=0.2, seed=1).validation}
    again = {r.file for r in split_by_group(rows[::-1], validation_share=0.2, seed=1).validation}
    other = {r.file for r in split_by_group(rows, validation_share=0.2, seed=2).validation}
    assert first == again
    assert first != other


def test_a_split_by_image_takes_its_share_of_each_label_and_may_part_a_patient() -> None:
    rows = _rows()
    split = split_by_image(rows, validation_share=0.2, seed=1)
    total, held = Counter(r.label for r in rows), Counter(r.label for r in split.validation)
    assert held == {label: round(n * 0.2) for label, n in total.items()}
    assert {r.group for r in split.training} & {r.group for r in split.validation}
    assert split_by_image(rows[::-1], validation_share=0.2, seed=1).validation == split.validation[::-1]


def test_held_out_groups_reach_the_wanted_number_of_each_label_and_stay_whole() -> None:
    rows = _rows()
    split = hold_out(rows, wanted={"x": 50, "y": 30}, seed=1)
    assert Counter(r.label for r in split.validation) == {"x": 50, "y": 30}
    assert not {r.group for r in split.training} & {r.group for r in split.validation}
    assert hold_out(rows[::-1], wanted={"x": 50, "y": 30}, seed=1).validation == split.validation[::-1]


def test_a_label_that_is_not_wanted_is_never_held_out() -> None:
    assert {r.label for r in hold_out(_rows(), wanted={"y": 10}, seed=1).validation} == {"y"}
