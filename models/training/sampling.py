"""Which rows a step draws, and what their labels ask of the answer."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional

from models.datasets.manifest import ImageRow
from models.training.recipe import PartialLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Pictures at the common resolution and what they show, row by row."""

    pixels: npt.NDArray[np.uint8]
    rows: tuple[ImageRow, ...]
    labels: tuple[str, ...]
    partial_labels: tuple[PartialLabel, ...] = ()

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """(n, labels): which answers a row's label allows; one, unless the label is partial."""
        narrowed = {partial.label: partial.one_of for partial in self.partial_labels}
        wanted = [narrowed.get(row.label, (row.label,)) for row in self.rows]
        return np.array([[label in names for label in self.labels] for names in wanted], dtype=bool)


def narrowed_cross_entropy(logits: Tensor, allowed: Tensor, smoothing: float) -> Tensor:
    """Return the mean of -log sum of the allowed answers' probabilities, mixed with a uniform target.

    Parameters
    ----------
    logits
        (n, labels) float32.
    allowed
        (n, labels) bool, at least one a row; with exactly one it is the usual cross-entropy.
    smoothing
        Weight of the uniform target (Szegedy et al. 2016).
    """
    log_probabilities = functional.log_softmax(logits, dim=1)
    asked = log_probabilities.masked_fill(~allowed, float("-inf")).logsumexp(1)
    return -((1 - smoothing) * asked + smoothing * log_probabilities.mean(1)).mean()


def sampling_chances(
    rows: Sequence[ImageRow], balance: float, partial_labels: Sequence[PartialLabel] = ()
) -> npt.NDArray[np.float64]:
    """Return each row's chance to be drawn; ``balance`` evens out classes, and sources within a class."""
    classes = Counter(row.label for row in rows)
    strata = Counter(row.stratum for row in rows)
    weights = {partial.label: partial.weight for partial in partial_labels}
    class_mass = {label: n ** (1 - balance) * weights.get(label, 1.0) for label, n in classes.items()}
    source_mass = {stratum: n ** (1 - balance) for stratum, n in strata.items()}
    source_total: dict[str, float] = defaultdict(float)
    for (label, _), mass in source_mass.items():
        source_total[label] += mass
    chances: npt.NDArray[np.float64] = np.array(
        [
            class_mass[r.label] * source_mass[r.stratum] / source_total[r.label] / strata[r.stratum]
            for r in rows
        ]
    )
    chances /= chances.sum()
    return chances
