"""Temperature, label offsets and operating points, all chosen on validation groups only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.contract import AppliedPoint, Estimate, OperatingPoint
from models.datasets.folds import grouped_folds
from models.datasets.manifest import ImageRow
from models.evaluation.answers import AnsweredRows, answered_rows
from models.evaluation.metrics import Answers
from models.evaluation.resampling import Resamples, estimate, resample

FOLDS = 5
PULL = 0.5
"""Of the offsets towards zero, in units of one row's loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What turns logits z into probabilities: softmax((z + offsets) / temperature)."""

    temperature: float
    offsets: tuple[float, ...]
    """One a label, summing to zero: classes were drawn more evenly in training than they occur."""


def fit_calibration(logits: Tensor, truth: Tensor) -> Calibration:
    """Return the temperature and offsets that make validation logits (n, labels) most likely.

    Every label that occurs counts the same, however many rows it has: how often a disease is in a collection
    says nothing of how often it will where the model serves.
    The offsets can change which label is most probable; a pull towards zero keeps them small where few rows
    speak for them (Guo et al. 2017 call it vector scaling, with one scale for all labels).
    """
    counts = torch.bincount(truth, minlength=logits.shape[1]).clamp(min=1)
    weights = 1 / counts[truth]
    log_temperature = torch.zeros(1, requires_grad=True)
    offsets = torch.zeros(logits.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature, offsets], lr=0.1, max_iter=200)

    def closure() -> Tensor:
        optimiser.zero_grad()
        centred = offsets - offsets.mean()
        misses = functional.cross_entropy((logits + centred) / log_temperature.exp(), truth, reduction="none")
        loss = (misses * weights).sum() / weights.sum()
        loss = loss + PULL / len(truth) * centred.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch's stub
    found = (offsets - offsets.mean()).detach()
    return Calibration(
        temperature=round(float(log_temperature.detach().exp()), 4),
        offsets=tuple(round(float(value), 4) for value in found),
    )


def cross_calibrated(
    rows: Sequence[ImageRow], logits: Tensor, labels: tuple[str, ...], *, seed: int
) -> AnsweredRows:
    """Return rows with probabilities whose temperature and offsets other groups of the same rows chose.

    What is shipped is fitted on all rows at once; figures of the same rows would flatter that choice. In five
    folds of whole groups, as far as there are so many.
    """
    place = {row.file: i for i, row in enumerate(rows)}
    probabilities = np.empty((len(rows), len(labels)))
    folds = min(FOLDS, len({row.group for row in rows}))
    for fold in grouped_folds(rows, folds=folds, seed=seed):
        chosen_by = [place[row.file] for row in fold.training]
        judged = [place[row.file] for row in fold.validation]
        truth = torch.tensor([labels.index(row.label) for row in fold.training])
        found = fit_calibration(logits[chosen_by], truth)
        shifted = logits[judged] + torch.tensor(found.offsets)
        told = answered_rows(fold.validation, shifted, labels, found.temperature)
        probabilities[judged] = told.probabilities
    return AnsweredRows(rows=tuple(rows), labels=labels, probabilities=probabilities)


def operating_points(answers: Answers, *, seed: int) -> dict[str, OperatingPoint]:
    """Return each label's threshold of highest sensitivity + specificity - 1 (Youden), with its figures.

    The figures are those of the rows that the threshold was chosen on, so they flatter it a little.
    """
    thresholds = {
        label: round(youden_threshold(answers.probabilities[:, k], answers.truth == k), 4)
        for k, label in enumerate(answers.labels)
    }
    applied = at_thresholds(answers, thresholds, seed=seed)
    return {label: OperatingPoint.model_validate(at.model_dump()) for label, at in applied.items()}


def at_thresholds(answers: Answers, thresholds: Mapping[str, float], *, seed: int) -> dict[str, AppliedPoint]:
    """Return the figures that thresholds which were chosen elsewhere have on these rows."""
    resamples = resample(answers.groups, seed=seed)
    found: dict[str, AppliedPoint] = {}
    for k, label in enumerate(answers.labels):
        present, flagged = answers.truth == k, answers.probabilities[:, k] >= thresholds[label]
        found[label] = AppliedPoint(
            threshold=thresholds[label],
            sensitivity=_share(flagged, present, resamples),
            specificity=_share(~flagged, ~present, resamples),
        )
    return found


def youden_threshold(probability: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]) -> float:
    """Return the threshold midway between the two neighbouring scores at the best cut."""
    order = np.argsort(probability)
    scores, positive = probability[order], present[order]
    missed = np.concatenate([[0], np.cumsum(positive)])
    refused = np.concatenate([[0], np.cumsum(~positive)])
    youden = (1 - missed / positive.sum()) + refused / (~positive).sum() - 1
    cuts = np.concatenate([[scores[0]], (scores[1:] + scores[:-1]) / 2, [scores[-1]]])
    return float(cuts[int(youden.argmax())])


def _share(
    right: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_], resamples: Resamples
) -> Estimate | None:
    """Return the share of right rows among some, with its interval; nothing when there are none."""
    if not among.any():
        return None
    counts = resamples.sums(np.stack([right & among, among], axis=1).astype(np.float64))
    with np.errstate(invalid="ignore"):  # a resample without such a row has no share
        sampled = counts[:, 0] / counts[:, 1]
    return estimate(float(right[among].mean()), sampled)
