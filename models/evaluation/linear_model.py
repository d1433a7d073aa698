"""The logistic regression that every floor is: on thumbnails' borders, on thumbnails, on frozen features."""

import warnings
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.errors import PackageMissing

STEPS = 500
Features = npt.NDArray[np.float32]
Truth = npt.NDArray[np.int64]


class Fitted(Protocol):
    """A fitted regression."""

    def predict_proba(self, features: Features) -> npt.NDArray[np.float64]:
        """Return (n, classes), in the order of the class numbers that were fitted."""
        ...


def fit_logistic_regression(features: Features, truth: Truth, *, penalty: float) -> Fitted:
    """Fit on standardised features (n, m), classes weighted evenly; ``penalty`` is 1 / scikit-learn's C.

    Raises
    ------
    PackageMissing
        scikit-learn is not installed.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise PackageMissing("scikit-learn", "a logistic regression as baseline") from error
    regression = LogisticRegression(C=1 / penalty, max_iter=STEPS, class_weight="balanced")
    fitted = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a floor that could be a hair higher is a floor
        fitted.fit(features, truth)
    pipeline: Fitted = fitted
    return pipeline


def probabilities_of(
    fitted: Fitted, features: Features, truth: Truth, labels: int
) -> npt.NDArray[np.float64]:
    """Return (n, labels), 0 for labels that did not occur in the ``truth`` that was fitted."""
    probabilities = np.zeros((len(features), labels))
    if len(features):
        probabilities[:, np.unique(truth)] = fitted.predict_proba(features)
    return probabilities
