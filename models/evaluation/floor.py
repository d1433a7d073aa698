"""The floor: a logistic regression on frozen ImageNet features, within and across sources."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.datasets.manifest import ImageRow
from models.datasets.split import split_by_group
from models.evaluation.answers import AnsweredRows
from models.evaluation.linear_model import Features, fit_logistic_regression, probabilities_of
from models.evaluation.metrics import confusions, mean_over, sensitivities
from models.evaluation.resampling import resample

PENALTIES = (10.0, 100.0, 1000.0, 10000.0)
INNER_SHARE = 0.25
LEFT_OUT = "left out: "
"""Begins the part of rows whose source was not fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRows:
    """Rows with their features."""

    rows: tuple[ImageRow, ...]
    features: Features
    """(n, channels)."""

    def where(self, mask: Sequence[bool] | npt.NDArray[np.bool_]) -> "FeatureRows":
        """Return the chosen rows."""
        chosen = np.flatnonzero(np.array(mask, dtype=np.bool_))
        return FeatureRows(rows=tuple(self.rows[i] for i in chosen), features=self.features[chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A fitted floor's answers and the penalty that was chosen on its own training rows."""

    answered: AnsweredRows
    penalty: float


def fit_floor(train: FeatureRows, test: FeatureRows, labels: tuple[str, ...], *, seed: int) -> Floor:
    """Fit on rows and answer others; the penalty is chosen on a quarter of the training groups."""
    penalty = _best_penalty(train, labels, seed)
    return Floor(answered=_answered(train, test, labels, penalty), penalty=penalty)


def leave_source_out(
    rows: FeatureRows, labels: tuple[str, ...], *, penalty: float
) -> Iterator[tuple[str, AnsweredRows]]:
    """Yield each source with the answers of a regression that was fitted on all others.

    Rows whose label occurs in no other source cannot be answered rightly; they stay, and count as wrong.
    """
    for source in sorted({row.source for row in rows.rows}):
        here = np.array([row.source == source for row in rows.rows])
        others = rows.where(~here)
        if len({row.label for row in others.rows}) > 1:
            answered = _answered(others, rows.where(here), labels, penalty)
            yield source, _as_part(answered, f"{LEFT_OUT}{source}")


def _as_part(answered: AnsweredRows, part: str) -> AnsweredRows:
    renamed = tuple(replace(row, part=part) for row in answered.rows)
    return AnsweredRows(rows=renamed, labels=answered.labels, probabilities=answered.probabilities)


def _best_penalty(train: FeatureRows, labels: tuple[str, ...], seed: int) -> float:
    inner = split_by_group(train.rows, validation_share=INNER_SHARE, seed=seed)
    tested = {row.file for row in inner.validation}
    held = np.array([row.file in tested for row in train.rows])
    fitted_on, tested_on = train.where(~held), train.where(held)

    def figure(penalty: float) -> float:
        return _balanced_accuracy(_answered(fitted_on, tested_on, labels, penalty), seed)

    return max(PENALTIES, key=figure)


def _balanced_accuracy(answered: AnsweredRows, seed: int) -> float:
    answers = answered.answers()
    resamples = resample(answers.groups, seed=seed, rounds=1)
    matrices = confusions(answers.truth, answers.answer, len(answers.labels), resamples)
    return mean_over(sensitivities(matrices), answers.present).value


def _answered(train: FeatureRows, test: FeatureRows, labels: tuple[str, ...], penalty: float) -> AnsweredRows:
    truth = np.array([labels.index(row.label) for row in train.rows], dtype=np.int64)
    fitted = fit_logistic_regression(train.features, truth, penalty=penalty)
    probabilities = probabilities_of(fitted, test.features, truth, len(labels))
    return AnsweredRows(rows=test.rows, labels=labels, probabilities=probabilities)
