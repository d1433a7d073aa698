"""Resamples draw whole groups, and sum over them as if the rows had been copied."""

import numpy as np
import pytest

from models.evaluation.resampling import interval, resample


def test_resamples_hold_whole_groups() -> None:
    for weights in resample(("p", "q", "p", "r", "q", "p"), seed=2, rounds=20).weights():
        assert weights[0] == weights[2] == weights[5]
        assert weights[1] == weights[4]
        assert weights[0] + weights[1] + weights[3] == 3


def test_sums_are_those_of_the_copied_rows() -> None:
    resamples = resample(("p", "q", "p", "r"), seed=2, rounds=10)
    values = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0], [13.0, 17.0]])
    copied = [np.repeat(values, w.astype(int), axis=0).sum(axis=0) for w in resamples.weights()]
    assert np.allclose(resamples.sums(values), copied)


def test_one_group_gives_no_rounds() -> None:
    assert len(resample(("p", "p"), seed=1).drawn) == 0


def test_an_interval_leaves_out_what_is_no_number() -> None:
    values = np.array([np.nan, *np.linspace(0, 1, 101)])
    assert interval(values) == pytest.approx((0.025, 0.975))
    assert interval(np.array([np.nan])) == (None, None)
