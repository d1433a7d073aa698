"""The baseline finds what is in the border, nothing that is in the middle, and no patient twice."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from models.datasets.manifest import ImageRow
from models.evaluation.border_baseline import (
    border_baselines,
    border_mask,
    crossed_border_baselines,
    small_pictures,
)

LABELS = ("dark", "bright")
SIZE = 64


def _rows(count: int, source: str = "one", per_group: int = 1) -> tuple[ImageRow, ...]:
    return tuple(
        ImageRow(
            file=f"{source}{i}",
            label=LABELS[i // per_group % 2],
            source=source,
            group=f"{source}{i // per_group}",
            part="train",
            sha256="",
        )
        for i in range(count)
    )


def _pixels(rows: tuple[ImageRow, ...], *, border: int, middle: int) -> npt.NDArray[np.uint8]:
    """Draw noise, with the label's brightness in the border and in the middle."""
    noise = np.random.default_rng(len(rows) + border).integers(60, 120, (len(rows), SIZE, SIZE))
    outer = np.ones((SIZE, SIZE), dtype=bool)
    outer[8:-8, 8:-8] = False
    bright = np.array([row.label == "bright" for row in rows])[:, None, None]
    return (noise + bright * np.where(outer, border, middle)).astype(np.uint8)


def test_the_border_is_the_outer_four_of_32_pixels() -> None:
    assert border_mask().sum() == 32 * 32 - 24 * 24
    assert border_mask()[3].all()
    assert not border_mask()[4, 4:-4].any()


@pytest.mark.parametrize("size", [32, 64, 50])
def test_small_pictures_are_means_by_area(size: int) -> None:
    ramp = np.tile(np.linspace(0, 255, size).astype(np.uint8), (size, 1))[None]
    small = small_pictures(ramp)
    assert small.shape == (1, 32, 32)
    assert small.mean() == pytest.approx(ramp.mean() / 255, abs=0.02)
    assert (np.diff(small[0, 0]) >= 0).all()


def test_what_is_in_the_border_is_found_and_what_is_in_the_middle_is_not() -> None:
    train, test = _rows(60), _rows(40)
    in_border, in_middle = (
        border_baselines(train, _pixels(train, **where), test, _pixels(test, **where)[:, ::-1], LABELS, 1)[0]
        for where in ({"border": 40, "middle": 0}, {"border": 0, "middle": 40})
    )
    assert in_border.border_only > 0.95
    assert in_middle.border_only < 0.75
    assert in_middle.whole_thumbnail > 0.95
    assert in_border.chance == 0.5
    assert in_border.border is not None
    assert in_border.border.value == in_border.border_only


def test_each_source_has_a_baseline_of_its_own_and_all_together_have_one() -> None:
    rows = (*_rows(24, "one"), *_rows(24, "two"))
    only = tuple(r for r in _rows(24, "three") if r.label == "dark")
    pixels = _pixels((*rows, *only), border=40, middle=0)
    found = border_baselines((*rows, *only), pixels, (*rows, *only), pixels, LABELS, 1)
    assert [one.source for one in found] == [None, "one", "two"]


def test_covid_and_normal_are_also_told_apart_over_all_sources() -> None:
    labels = ("covid19", "tuberculosis", "normal")
    rows = tuple(
        replace(row, label=labels[i % 3], source=("one", "two")[i % 2]) for i, row in enumerate(_rows(60))
    )
    found = crossed_border_baselines(rows, small_pictures(_pixels(_rows(60), border=0, middle=0)), labels, 1)
    assert [(one.source, one.labels) for one in found[:2]] == [(None, labels), (None, ("covid19", "normal"))]


def test_a_patient_is_never_on_both_sides_of_a_fold() -> None:
    # given patients whose border is their own, and labels that have nothing to do with it
    rows = _rows(160, per_group=8)
    own = np.random.default_rng(3).integers(0, 255, (20, SIZE, SIZE))
    pixels = np.stack([own[i // 8] for i in range(160)]).astype(np.uint8)
    found = crossed_border_baselines(rows, small_pictures(pixels), LABELS, 1)
    # then nothing is learnt, although a split by picture would recognise every patient
    assert found[0].whole_thumbnail < 0.8


def test_a_label_with_fewer_than_four_patients_has_no_baseline() -> None:
    rows = _rows(24, per_group=4)
    assert len({r.group for r in rows if r.label == "dark"}) == 3
    assert crossed_border_baselines(rows, np.zeros((24, 32, 32), dtype=np.float32), LABELS, 1) == ()
