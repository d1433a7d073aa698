"""Runs a network over pictures, through the same preparation that serves, and keeps what it answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.chest_gate import thumbnails
from models.datasets.manifest import ImageRow
from models.engines import Engine
from models.evaluation.metrics import Answers
from models.networks.interface import ChestNetwork
from models.preprocessing import finish_common
from models.preprocessing_spec import Preprocessing

BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a network gives for pictures, in their order."""

    logits: Tensor
    """(n, labels)."""
    pooled: Tensor
    """(n, channels): spatial means of the trunk's last map."""
    thumbnails: Tensor
    """(n, 32, 32), standardised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRows:
    """Rows with the probabilities that a model gave them; also rows of labels that it does not know."""

    rows: tuple[ImageRow, ...]
    labels: tuple[str, ...]
    """The model's."""
    probabilities: npt.NDArray[np.float64]
    """(n, labels), calibrated."""

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,): whether the model has a class for the row's label."""
        return np.array([row.label in self.labels for row in self.rows], dtype=np.bool_)

    @property
    def predicted(self) -> tuple[str, ...]:
        """The most probable label of each row."""
        return tuple(self.labels[k] for k in self.probabilities.argmax(axis=1)) if self.rows else ()

    def where(self, chosen: Sequence[bool] | npt.NDArray[np.bool_]) -> "AnsweredRows":
        """Return the chosen rows."""
        mask = np.array(chosen, dtype=np.bool_)
        return AnsweredRows(
            rows=tuple(row for row, keep in zip(self.rows, mask, strict=True) if keep),
            labels=self.labels,
            probabilities=self.probabilities[mask],
        )

    def answers(self) -> Answers:
        """Return the answers to the rows of known labels."""
        some = self.where(self.known)
        return Answers(
            labels=self.labels,
            truth=np.array([self.labels.index(row.label) for row in some.rows], dtype=np.int64),
            probabilities=some.probabilities,
            groups=tuple(row.group for row in some.rows),
        )


@torch.no_grad()
def run_network(
    network: ChestNetwork | Engine,
    pixels: npt.NDArray[np.uint8],
    spec: Preprocessing,
    advance: Callable[[int, int], None] | None = None,
) -> Outputs:
    """Run pictures (n, common, common), as the pixel cache keeps them, in batches."""
    logits: list[Tensor] = []
    pooled: list[Tensor] = []
    small: list[Tensor] = []
    for first in range(0, len(pixels), BATCH):
        grey = torch.from_numpy(np.array(pixels[first : first + BATCH])).float() / 255
        theirs = _forward(network, finish_common(grey, spec))
        logits.append(theirs[0].float())
        pooled.append(theirs[1].flatten(1).float())
        small.append(thumbnails(grey))
        if advance:
            advance(min(first + BATCH, len(pixels)), len(pixels))
    return Outputs(logits=torch.cat(logits), pooled=torch.cat(pooled), thumbnails=torch.cat(small))


def answers_of(
    rows: Sequence[ImageRow], logits: Tensor, labels: tuple[str, ...], temperature: float
) -> Answers:
    """Return answers to rows that all have known labels."""
    return answered_rows(rows, logits, labels, temperature).answers()


def answered_rows(
    rows: Sequence[ImageRow], logits: Tensor, labels: tuple[str, ...], temperature: float
) -> AnsweredRows:
    """Return rows with the calibrated probabilities of their logits (n, labels)."""
    return AnsweredRows(
        rows=tuple(rows),
        labels=labels,
        probabilities=torch.softmax(logits.double() / temperature, dim=1).cpu().numpy(),
    )


def _forward(network: ChestNetwork | Engine, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits and pooled features of images (n, 3, rows, columns)."""
    if isinstance(network, ChestNetwork):
        features = network.features(images.contiguous(memory_format=torch.channels_last))
        return network.logits(features), features.pooled
    explained = network.run(images)
    return explained.logits, explained.pooled
