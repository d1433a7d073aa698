"""A patient is on one side of a split, and each label of each source has its share."""

from collections import Counter
from random import Random

from models.datasets.manifest import ImageRow
from models.datasets.split import split_by_group


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
