"""Figures worked out by hand, and intervals that know about patients."""

import numpy as np
import pytest

from models.evaluation.metrics import Answers, bootstrap_rows, expected_calibration_error, score


def _answers(
    truth: list[int], answer: list[int], groups: list[str] | None = None, classes: int = 3
) -> Answers:
    probabilities = np.full((len(truth), classes), 0.1 / (classes - 1))
    probabilities[np.arange(len(truth)), answer] = 0.9
    return Answers(
        labels=tuple("abc"[:classes]),
        truth=np.array(truth, dtype=np.int64),
        probabilities=probabilities,
        groups=tuple(groups or [str(i) for i in range(len(truth))]),
    )


def test_figures_of_a_known_confusion_matrix() -> None:
    scores = score(_answers([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1, 0, 2, 2, 0]), seed=1)
    a = scores.labels["a"]
    assert a.sensitivity.value == pytest.approx(3 / 4)
    assert a.specificity is not None
    assert a.specificity.value == pytest.approx(4 / 6, abs=1e-4)
    assert a.precision is not None
    assert a.precision.value == pytest.approx(3 / 5)
    assert a.f1.value == pytest.approx(2 * 3 / (4 + 5), abs=1e-4)
    assert scores.accuracy.value == pytest.approx(0.7)
    assert scores.balanced_accuracy is not None
    assert scores.balanced_accuracy.value == pytest.approx((3 / 4 + 2 / 3 + 2 / 3) / 3, abs=1e-4)
    assert scores.confusion["c"] == {"a": 1, "b": 0, "c": 2}


def test_a_label_that_does_not_occur_has_no_figures_and_enters_no_mean() -> None:
    scores = score(_answers([0, 0, 1, 1], [0, 0, 1, 2]), seed=1)
    assert set(scores.labels) == {"a", "b"}
    assert scores.balanced_accuracy is not None
    assert scores.balanced_accuracy.value == pytest.approx(0.75)


def test_pictures_of_one_patient_widen_the_interval() -> None:
    truth = [0, 1] * 40
    answer = [0, 1] * 30 + [1, 0] * 10
    alone = score(_answers(truth, answer, classes=2), seed=1).accuracy
    grouped = score(_answers(truth, answer, [str(i // 8) for i in range(80)], classes=2), seed=1).accuracy
    assert alone.value == grouped.value == pytest.approx(0.75)
    assert None not in (alone.low, alone.high, grouped.low, grouped.high)
    assert (grouped.high or 0) - (grouped.low or 0) > 1.5 * ((alone.high or 0) - (alone.low or 0))


def test_one_group_has_no_interval() -> None:
    assert score(_answers([0, 1], [0, 1], ["p", "p"]), seed=1).accuracy.low is None


def test_resamples_hold_whole_groups() -> None:
    groups = ("p", "q", "p", "r", "q", "p")
    for rows in bootstrap_rows(groups, rounds=20, seed=2):
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[2] == counts[5]
        assert counts[1] == counts[4]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    answers = _answers([0] * 10, [0] * 6 + [1] * 4)
    assert expected_calibration_error(answers) == pytest.approx(0.9 - 0.6)


def test_a_figure_without_a_denominator_is_missing_and_not_zero() -> None:
    one_label = score(_answers([0, 0, 0], [0, 0, 1]), seed=1).labels["a"]
    assert one_label.specificity is None
    assert one_label.sensitivity.value == pytest.approx(2 / 3, abs=1e-4)
    never_answered = score(_answers([0, 0, 1], [0, 0, 0]), seed=1).labels["b"]
    assert never_answered.precision is None
    assert never_answered.sensitivity.value == 0
