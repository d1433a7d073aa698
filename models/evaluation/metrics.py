"""Scores of answered rows, with 95 % intervals by bootstrap over groups (patients, as far as known)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contract import Estimate, LabelScores, SetScores

ROUNDS = 1000
LEVEL = 0.95
ECE_BINS = 15
Counts = npt.NDArray[np.float64]


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
    rounds = _bootstrap_confusions(answers, seed)
    truth = _confusion(answers.truth, answers.answer, len(answers.labels))
    present = np.flatnonzero(truth.sum(axis=1) > 0)
    several = len(present) > 1

    def estimate(figure: Callable[[Counts], float]) -> Estimate:
        return _estimate(figure, truth, rounds)

    return SetScores(
        rows=len(answers.truth),
        groups=len(set(answers.groups)),
        accuracy=estimate(lambda m: _ratio(np.trace(m), m.sum())),
        balanced_accuracy=estimate(lambda m: _mean_over(sensitivity, m, present)) if several else None,
        macro_f1=estimate(lambda m: _mean_over(f1, m, present)) if several else None,
        labels={answers.labels[k]: _label_scores(int(k), truth, rounds) for k in present},
        confusion={
            answers.labels[i]: {label: int(truth[i, j]) for j, label in enumerate(answers.labels)}
            for i in present
        },
        expected_calibration_error=expected_calibration_error(answers) if several else None,
    )


def sensitivity(confusion: Counts, label: int) -> float:
    """Return the share of a label's rows that were answered so."""
    return _ratio(confusion[label, label], confusion[label].sum())


def specificity(confusion: Counts, label: int) -> float:
    """Return the share of the other rows that were not answered so."""
    others = confusion.sum() - confusion[label].sum()
    return _ratio(others - (confusion[:, label].sum() - confusion[label, label]), others)


def precision(confusion: Counts, label: int) -> float:
    """Return the share of the rows answered so that are so."""
    return _ratio(confusion[label, label], confusion[:, label].sum())


def f1(confusion: Counts, label: int) -> float:
    """Return the harmonic mean of precision and sensitivity."""
    hits = confusion[label, label]
    return _ratio(2 * hits, confusion[label].sum() + confusion[:, label].sum())


def expected_calibration_error(answers: Answers) -> float:
    """Return the mean gap between confidence and accuracy over 15 equal bins of confidence."""
    confidence = answers.probabilities.max(axis=1)
    right = answers.answer == answers.truth
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(float(confidence[bins == b].mean()) - float(right[bins == b].mean())) * float(np.mean(bins == b))
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def bootstrap_rows(groups: tuple[str, ...], *, rounds: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Return row indices of ``rounds`` resamples in which whole groups are drawn with replacement."""
    names, which = np.unique(np.array(groups), return_inverse=True)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(names) + 1))
    members = [order[bounds[i] : bounds[i + 1]] for i in range(len(names))]
    draw = np.random.default_rng(seed)
    return [
        np.concatenate([members[g] for g in draw.integers(0, len(names), len(names))]) for _ in range(rounds)
    ]


def interval(values: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the central 95 % of resampled values, or nothing when none is a number."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None, None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return round(float(low), 4), round(float(high), 4)


def _label_scores(label: int, truth: Counts, rounds: Counts) -> LabelScores:
    def estimate(figure: Callable[[Counts, int], float]) -> Estimate:
        return _estimate(lambda m: figure(m, label), truth, rounds)

    return LabelScores(
        rows=int(truth[label].sum()),
        precision=estimate(precision) if truth[:, label].any() else None,
        sensitivity=estimate(sensitivity),
        specificity=estimate(specificity) if truth.sum() > truth[label].sum() else None,
        f1=estimate(f1),
    )


def _estimate(figure: Callable[[Counts], float], truth: Counts, rounds: Counts) -> Estimate:
    """Return a defined figure of the confusion matrix and its interval."""
    value = figure(truth)
    low, high = interval(np.array([figure(m) for m in rounds])) if len(rounds) else (None, None)
    return Estimate(value=round(value, 4), low=low, high=high)


def _bootstrap_confusions(answers: Answers, seed: int) -> Counts:
    if len(set(answers.groups)) < 2:
        return np.empty((0, 0, 0))
    answer, size = answers.answer, len(answers.labels)
    samples = bootstrap_rows(answers.groups, rounds=ROUNDS, seed=seed)
    return np.stack([_confusion(answers.truth[rows], answer[rows], size) for rows in samples])


def _confusion(truth: npt.NDArray[np.int64], answer: npt.NDArray[np.int64], size: int) -> Counts:
    return np.bincount(truth * size + answer, minlength=size * size).reshape(size, size).astype(np.float64)


def _mean_over(
    figure: Callable[[Counts, int], float], confusion: Counts, labels: npt.NDArray[np.intp]
) -> float:
    values = [figure(confusion, int(label)) for label in labels]
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")
