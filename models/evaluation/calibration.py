"""Temperature scaling and operating points, both chosen on validation groups only."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.contract import Estimate, OperatingPoint
from models.evaluation.metrics import Answers, bootstrap_rows, interval

ROUNDS = 500


def fit_temperature(logits: Tensor, truth: Tensor) -> float:
    """Return the temperature that makes validation logits (n, labels) most likely; ranks do not change."""
    log_temperature = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], lr=0.1, max_iter=100)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(logits / log_temperature.exp(), truth)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch's stub
    return round(float(log_temperature.detach().exp()), 4)


def operating_points(answers: Answers, *, seed: int) -> dict[str, OperatingPoint]:
    """Return each label's threshold of highest sensitivity + specificity - 1 (Youden), with its figures.

    The figures are those of the rows that the threshold was chosen on, so they flatter it a little.
    """
    samples = bootstrap_rows(answers.groups, rounds=ROUNDS, seed=seed)
    return {label: _point(answers, index, samples) for index, label in enumerate(answers.labels)}


def youden_threshold(probability: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]) -> float:
    """Return the threshold midway between the two neighbouring scores at the best cut."""
    order = np.argsort(probability)
    scores, positive = probability[order], present[order]
    missed = np.concatenate([[0], np.cumsum(positive)])
    refused = np.concatenate([[0], np.cumsum(~positive)])
    youden = (1 - missed / positive.sum()) + refused / (~positive).sum() - 1
    cuts = np.concatenate([[scores[0]], (scores[1:] + scores[:-1]) / 2, [scores[-1]]])
    return float(cuts[int(youden.argmax())])


def _point(answers: Answers, label: int, samples: list[npt.NDArray[np.int64]]) -> OperatingPoint:
    present = answers.truth == label
    probability = answers.probabilities[:, label]
    threshold = round(youden_threshold(probability, present), 4)
    flagged = probability >= threshold
    return OperatingPoint(
        threshold=threshold,
        sensitivity=_share(flagged, present, samples),
        specificity=_share(~flagged, ~present, samples),
    )


def _share(
    right: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_], samples: list[npt.NDArray[np.int64]]
) -> Estimate:
    """Return the share of right rows among some, with its interval over resamples."""
    shares = np.array([right[rows][among[rows]].mean() if among[rows].any() else np.nan for rows in samples])
    low, high = interval(shares)
    return Estimate(value=round(float(right[among].mean()), 4), low=low, high=high)
