"""The gap between confidence and accuracy, on made confidences."""

import numpy as np
import pytest

from models.evaluation.calibration_error import calibration_error, reliability
from models.evaluation.resampling import resample


def test_the_error_is_the_gap_between_confidence_and_accuracy() -> None:
    right = np.array([True] * 6 + [False] * 4)
    found = calibration_error(np.full(10, 0.9), right, resample([str(i) for i in range(10)], seed=1))
    assert found.value == pytest.approx(0.3)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.3 < found.high


def test_gaps_of_different_bins_do_not_cancel() -> None:
    confidence = np.array([0.9] * 10 + [0.6] * 10)
    right = np.array([True] * 10 + [True] * 5 + [False] * 5)
    found = calibration_error(confidence, right, resample(["p"] * 20, seed=1))
    assert found.value == pytest.approx((0.1 + 0.1) / 2)
    assert found.low is None


def test_every_row_is_in_one_bin_and_certainty_in_the_last() -> None:
    resamples = resample(["p", "q", "r"], seed=1)
    bins = reliability(np.array([0.2, 0.5, 1.0]), np.array([False, True, True]), resamples)
    assert sum(one.rows for one in bins) == 3
    assert bins[-1].rows == 1
    assert bins[-1].confidence == 1.0
    assert bins[-1].accuracy.value == 1.0


def test_a_bin_of_one_patient_right_and_one_wrong_may_be_anything() -> None:
    resamples = resample([str(i // 10) for i in range(20)], seed=1)
    bins = reliability(np.full(20, 0.8), np.arange(20) < 10, resamples)
    (filled,) = [one for one in bins if one.rows]
    assert (filled.accuracy.low, filled.accuracy.value, filled.accuracy.high) == (0.0, 0.5, 1.0)
