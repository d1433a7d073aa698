"""Areas and curves agree with scikit-learn, with ties and with weights."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from models.evaluation.ranking import Ranking


def _scores() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(4)
    positive = draw.random(300) < 0.3
    return (draw.normal(0.8 * positive, 1)).round(1), positive


def test_the_area_of_weighted_rows_with_ties_is_scikit_learn_s() -> None:
    scores, positive = _scores()
    weights = np.random.default_rng(5).integers(0, 4, 300).astype(np.float64)
    expected = roc_auc_score(positive, scores, sample_weight=weights)
    assert Ranking(scores, positive).area(weights) == pytest.approx(expected, abs=1e-12)


def test_the_curve_is_scikit_learn_s() -> None:
    scores, positive = _scores()
    curve = Ranking(scores, positive).curve()
    far, sensitivity, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert np.allclose(curve.false_positive_rate, far)
    assert np.allclose(curve.sensitivity, sensitivity)


def test_one_class_has_no_area() -> None:
    assert np.isnan(Ranking(np.array([0.1, 0.2]), np.array([True, True])).area(np.ones(2)))
