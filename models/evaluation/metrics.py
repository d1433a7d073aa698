"""Scores of answered rows, with 95 % intervals by bootstrap over groups (patients, as far as known)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contract import Estimate, LabelScores, SetScores
from models.evaluation.calibration_error import calibration_error
from models.evaluation.ranking import roc_areas
from models.evaluation.resampling import Counts, Resamples, estimate, resample

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model said about rows whose label is known."""

    labels: tuple[str, ...]
    truth: npt.NDArray[np.int64]
    """(n,) index of the true label."""
    probabilities: npt.NDArray[np.float64]
    """(n, labels)."""
    groups: tuple[str, ...]

    @property
    def answer(self) -> npt.NDArray[np.int64]:
        """(n,) index of the most probable label."""
        best: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return best

    @property
    def present(self) -> Indices:
        """Indices of the labels that occur."""
        return np.unique(self.truth).astype(np.intp)

    def subset(self, chosen: npt.NDArray[np.bool_]) -> "Answers":
        """Return the chosen rows."""
        return Answers(
            labels=self.labels,
            truth=self.truth[chosen],
            probabilities=self.probabilities[chosen],
            groups=tuple(group for group, keep in zip(self.groups, chosen, strict=True) if keep),
        )


def score(answers: Answers, *, seed: int) -> SetScores:
    """Score a set; labels that do not occur in it have no row and do not enter its means."""
    resamples = resample(answers.groups, seed=seed)
    matrices = confusions(answers.truth, answers.answer, len(answers.labels), resamples)
    present = answers.present
    several = len(present) > 1
    areas = {int(k): roc_areas(answers.probabilities[:, k], answers.truth == k, resamples) for k in present}
    return SetScores(
        rows=len(answers.truth),
        groups=len(set(answers.groups)),
        accuracy=_first_and_rest(accuracies(matrices)),
        balanced_accuracy=mean_over(sensitivities(matrices), present) if several else None,
        macro_f1=mean_over(f1_scores(matrices), present) if several else None,
        labels={answers.labels[k]: _label_scores(int(k), matrices, areas[int(k)]) for k in present},
        confusion={
            answers.labels[i]: {label: int(matrices[0, i, j]) for j, label in enumerate(answers.labels)}
            for i in present
        },
        roc_auc=_mean_area([area for area in areas.values() if area]),
        expected_calibration_error=calibration_error(
            answers.probabilities.max(axis=1), answers.answer == answers.truth, resamples
        )
        if several
        else None,
    )


def confusions(
    truth: npt.NDArray[np.int64], answer: npt.NDArray[np.int64], size: int, resamples: Resamples
) -> Counts:
    """Return (1 + rounds, size, size): the confusion matrix, then that of each resample."""
    cells = np.zeros((len(truth), size * size))
    cells[np.arange(len(truth)), truth * size + answer] = 1
    return np.concatenate([cells.sum(axis=0)[None], resamples.sums(cells)]).reshape(-1, size, size)


def accuracies(matrices: Counts) -> Counts:
    """Return the share of right answers of confusion matrices (k, labels, labels): (k,)."""
    return _ratio(np.trace(matrices, axis1=1, axis2=2), matrices.sum(axis=(1, 2)))


def sensitivities(matrices: Counts) -> Counts:
    """Return each label's share of rows that were answered so: (k, labels)."""
    return _ratio(_hits(matrices), matrices.sum(axis=2))


def specificities(matrices: Counts) -> Counts:
    """Return the share of the other labels' rows that were not answered so: (k, labels)."""
    others = matrices.sum(axis=(1, 2))[:, None] - matrices.sum(axis=2)
    return _ratio(others - (matrices.sum(axis=1) - _hits(matrices)), others)


def precisions(matrices: Counts) -> Counts:
    """Return the share of the rows answered so that are so: (k, labels)."""
    return _ratio(_hits(matrices), matrices.sum(axis=1))


def f1_scores(matrices: Counts) -> Counts:
    """Return the harmonic mean of precision and sensitivity: (k, labels); nothing of labels without rows."""
    rows = matrices.sum(axis=2)
    return _ratio(2 * _hits(matrices), np.where(rows > 0, rows + matrices.sum(axis=1), 0.0))


def means_over(figures: Counts, labels: Indices) -> Counts:
    """Return (k,): the mean of figures (k, labels) over some labels, no number where one of them is none.

    A resample without a row of some label says nothing about a mean over all of them.
    """
    means: Counts = figures[:, labels].mean(axis=1)
    return means


def mean_over(figures: Counts, labels: Indices) -> Estimate:
    """Return the mean of figures (1 + rounds, labels) over some labels with its interval."""
    return _first_and_rest(means_over(figures, labels))


def _label_scores(label: int, matrices: Counts, area: tuple[float, Counts] | None) -> LabelScores:
    truth = matrices[0]
    return LabelScores(
        rows=int(truth[label].sum()),
        precision=_first_and_rest(precisions(matrices)[:, label]) if truth[:, label].any() else None,
        sensitivity=_first_and_rest(sensitivities(matrices)[:, label]),
        specificity=_first_and_rest(specificities(matrices)[:, label])
        if truth.sum() > truth[label].sum()
        else None,
        f1=_first_and_rest(f1_scores(matrices)[:, label]),
        roc_auc=estimate(*area) if area else None,
    )


def _mean_area(areas: Sequence[tuple[float, Counts]]) -> Estimate | None:
    if not areas:
        return None
    value = float(np.mean([area for area, _ in areas]))
    sampled = np.stack([values for _, values in areas])
    return estimate(value, means_over(sampled.T, np.arange(len(areas))))


def _first_and_rest(figures: Counts) -> Estimate:
    return estimate(float(figures[0]), figures[1:])


def _hits(matrices: Counts) -> Counts:
    return np.diagonal(matrices, axis1=1, axis2=2)


def _ratio(part: Counts, whole: Counts) -> Counts:
    """Return the quotient, not a number where there is nothing to divide by."""
    quotient: Counts = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return quotient
