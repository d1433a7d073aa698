"""Figures worked out by hand and by scikit-learn, and intervals that know about patients."""

import numpy as np
import pytest
from sklearn import metrics as reference

from models.evaluation.metrics import Answers, score


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


def _drawn_answers(rows: int = 400) -> Answers:
    draw = np.random.default_rng(11)
    truth = draw.integers(0, 4, rows)
    logits = draw.normal(0, 1, (rows, 4)) + 1.2 * np.eye(4)[truth]
    probabilities = np.exp(logits.round(1))  # rounding makes ties
    return Answers(
        labels=("a", "b", "c", "d"),
        truth=truth.astype(np.int64),
        probabilities=probabilities / probabilities.sum(axis=1, keepdims=True),
        groups=tuple(str(i // 3) for i in range(rows)),
    )


def test_every_figure_is_scikit_learn_s() -> None:
    answers = _drawn_answers()
    scores = score(answers, seed=1)
    truth, answer = answers.truth, answers.answer
    precision, sensitivity, f1, rows = reference.precision_recall_fscore_support(truth, answer)
    for k, label in enumerate(answers.labels):
        ours = scores.labels[label]
        assert ours.rows == rows[k]
        assert ours.precision is not None
        assert ours.precision.value == pytest.approx(precision[k], abs=1e-4)
        assert ours.sensitivity.value == pytest.approx(sensitivity[k], abs=1e-4)
        assert ours.specificity is not None
        assert ours.specificity.value == pytest.approx(
            reference.recall_score(truth != k, answer != k), abs=1e-4
        )
        assert ours.f1.value == pytest.approx(f1[k], abs=1e-4)
        assert ours.roc_auc is not None
        assert ours.roc_auc.value == pytest.approx(
            reference.roc_auc_score(truth == k, answers.probabilities[:, k]), abs=1e-4
        )
    assert scores.accuracy.value == pytest.approx(reference.accuracy_score(truth, answer), abs=1e-4)
    assert scores.balanced_accuracy is not None
    assert scores.balanced_accuracy.value == pytest.approx(
        reference.balanced_accuracy_score(truth, answer), abs=1e-4
    )
    assert scores.macro_f1 is not None
    assert scores.macro_f1.value == pytest.approx(
        reference.f1_score(truth, answer, average="macro"), abs=1e-4
    )
    assert scores.roc_auc is not None
    assert scores.roc_auc.value == pytest.approx(
        reference.roc_auc_score(truth, answers.probabilities, multi_class="ovr"), abs=1e-4
    )
    matrix = [[scores.confusion[i][j] for j in answers.labels] for i in answers.labels]
    assert np.array_equal(matrix, reference.confusion_matrix(truth, answer))


def test_every_interval_holds_its_figure() -> None:
    scores = score(_drawn_answers(), seed=1)
    figures = [scores.accuracy, scores.balanced_accuracy, scores.macro_f1, scores.roc_auc]
    for row in scores.labels.values():
        figures += [row.precision, row.sensitivity, row.specificity, row.f1, row.roc_auc]
    for figure in figures:
        assert figure is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high


def test_figures_of_a_known_confusion_matrix() -> None:
    scores = score(_answers([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1, 0, 2, 2, 0]), seed=1)
    a = scores.labels["a"]
    assert a.sensitivity.value == pytest.approx(3 / 4)
    assert a.specificity is not None
    assert a.specificity.value == pytest.approx(4 / 6, abs=1e-4)
    assert a.f1.value == pytest.approx(2 * 3 / (4 + 5), abs=1e-4)
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


def test_a_resample_without_some_label_does_not_enter_the_interval_of_a_mean() -> None:
    # given one patient of the second label, always right, and a first label that is never right
    scores = score(_answers([0, 0, 0, 1], [1, 1, 1, 1], classes=2), seed=1)
    # then every resample that has both labels says one half, and the others say nothing
    assert scores.balanced_accuracy is not None
    assert (scores.balanced_accuracy.low, scores.balanced_accuracy.high) == (0.5, 0.5)
    assert scores.labels["b"].f1.low is not None
    assert scores.labels["b"].f1.low > 0


def test_one_group_has_no_interval() -> None:
    assert score(_answers([0, 1], [0, 1], ["p", "p"]), seed=1).accuracy.low is None


def test_a_figure_without_a_denominator_is_missing_and_not_zero() -> None:
    one_label = score(_answers([0, 0, 0], [0, 0, 1]), seed=1)
    assert one_label.labels["a"].specificity is None
    assert one_label.labels["a"].roc_auc is None
    assert one_label.roc_auc is None
    assert one_label.labels["a"].sensitivity.value == pytest.approx(2 / 3, abs=1e-4)
    never_answered = score(_answers([0, 0, 1], [0, 0, 0]), seed=1).labels["b"]
    assert never_answered.precision is None
    assert never_answered.sensitivity.value == 0
