"""Loaded models: decoded arrays in, predictions with heat maps out."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.chest_gate import ChestGate, judge_slices
from models.contract import FloatArray, GateVerdict, ModelCard, RadiographPrediction, VolumePrediction
from models.engines import Engine
from models.errors import UnusableInput
from models.networks.interface import Explained
from models.preprocessing import prepare_radiograph, prepare_slices
from models.saliency import heat_map, maps_of

KEY_SHARE = 0.1
"""The study is judged by this share of its slices, the ones that speak most for the target label."""


@dataclass(frozen=True, slots=True)
class RadiographClassifier:
    """Reads one chest film at a time."""

    card: ModelCard
    engine: Engine
    gate: ChestGate

    @torch.inference_mode()
    def classify(self, pixels: FloatArray) -> RadiographPrediction:
        """Judge a film.

        Parameters
        ----------
        pixels
            (rows, columns) float32 in [0, 1] after the VOI LUT; white is dense (PS3.3 C.7.6.3.1.2).

        Raises
        ------
        UnusableInput
            Another shape, dtype or range.
        """
        _check_film(pixels)
        explained = self.engine.run(prepare_radiograph(pixels, self.card.preprocessing))
        probabilities = calibrated(explained.logits, self.card)[0]
        label = most_probable_finding(probabilities, self.card)
        maps = maps_of(explained, 0, label)
        return RadiographPrediction(
            probabilities=_by_label(probabilities, self.card),
            logits=explained.logits[0].numpy(),
            explained_label=self.card.labels[label],
            saliency=heat_map(maps, *pixels.shape),
            evidence_by_scale=_evidence(maps),
            gate=self.gate.judge(pixels, explained.pooled[0], explained.logits[0]),
        )


@dataclass(frozen=True, slots=True)
class SliceClassifier:
    """Reads the axial slices of a chest CT; ``models.lung_field`` chooses beforehand which show lung."""

    card: ModelCard
    engine: Engine
    gate: ChestGate | None = None
    """Weights 0.1.0 have none for slices."""

    @torch.inference_mode()
    def classify(self, slices: npt.NDArray[np.int16], batch: int = 8) -> VolumePrediction:
        """Judge a study by its slices.

        Parameters
        ----------
        slices
            (n, rows, columns) int16 in HU, in any order; the prediction keeps it.
        batch
            Slices that go through the network at once.

        Raises
        ------
        UnusableInput
            No slice, or another shape or dtype.
        """
        if slices.ndim != 3 or not len(slices):
            raise UnusableInput(f"slices are an int16 array (n, rows, columns), not {slices.shape}")
        target = self.card.labels.index(self.card.target_label)
        reading = _Reading(target=target, keys=key_count(len(slices)))
        verdicts: list[GateVerdict] = []
        for first in range(0, len(slices), batch):
            images = prepare_slices(slices[first : first + batch], self.card.preprocessing)
            explained = self.engine.run(images)
            reading.add(calibrated(explained.logits, self.card), explained)
            if self.gate:
                shown = images[:, 0] / self.card.preprocessing.pixel_scale
                verdicts.extend(self.gate.judge_each(shown, explained.pooled, explained.logits))
        probabilities = torch.cat(reading.probabilities)
        keys = key_slices(probabilities[:, target])
        saliency = [heat_map(reading.maps[key], *slices.shape[1:]) for key in keys]
        return VolumePrediction(
            probabilities=_by_label(probabilities[list(keys)].mean(0), self.card),
            slice_probabilities=probabilities.numpy(),
            key_slices=keys,
            explained_label=self.card.target_label,
            saliency=np.stack(saliency),
            evidence_by_scale=_evidence(reading.maps[keys[0]]),
            gate=judge_slices(verdicts) if self.gate else None,
        )


class _Reading:
    """What one pass over a study leaves: every slice's probabilities, maps of the likely key slices alone."""

    def __init__(self, *, target: int, keys: int) -> None:
        self.probabilities: list[Tensor] = []
        self.maps: dict[int, tuple[Tensor, ...]] = {}
        self._target, self._keys = target, keys

    def add(self, probabilities: Tensor, explained: Explained) -> None:
        """Take the next slices: what can no longer become a key slice loses its maps."""
        first = sum(len(part) for part in self.probabilities)
        self.probabilities.append(probabilities)
        for i in range(len(probabilities)):
            self.maps[first + i] = tuple(m.clone() for m in maps_of(explained, i, self._target))
        so_far = torch.cat(self.probabilities)[:, self._target]
        for lost in self.maps.keys() - set(_highest(so_far, self._keys)):
            del self.maps[lost]


def key_count(slices: int) -> int:
    """Return how many of so many slices judge the study: the tenth, at least one."""
    return max(1, math.ceil(slices * KEY_SHARE))


def key_slices(target_probabilities: Tensor) -> tuple[int, ...]:
    """Return the indices of the top tenth (at least one) of (n,) probabilities, highest first."""
    return _highest(target_probabilities, key_count(len(target_probabilities)))


def _highest(values: Tensor, count: int) -> tuple[int, ...]:
    order = torch.argsort(values, descending=True, stable=True)[:count]
    return tuple(int(index) for index in order)


def calibrated(logits: Tensor, card: ModelCard) -> Tensor:
    """Return probabilities (n, labels) of logits, with the card's temperature."""
    return torch.softmax(logits.float() / card.temperature, dim=1)


def most_probable_finding(probabilities: Tensor, card: ModelCard) -> int:
    """Return the index of the most probable label that is not the normal one."""
    findings = probabilities.clone()
    findings[card.labels.index(card.normal_label)] = -1.0
    return int(findings.argmax())


def _check_film(pixels: FloatArray) -> None:
    if pixels.ndim != 2 or pixels.dtype != np.float32 or not pixels.size:
        raise UnusableInput(f"a film is a float32 array (rows, columns), not {pixels.dtype} {pixels.shape}")
    if not (float(pixels.min()) >= 0.0 and float(pixels.max()) <= 1.0):
        raise UnusableInput("a film's pixels lie in [0, 1]")


def _by_label(probabilities: Tensor, card: ModelCard) -> dict[str, float]:
    return {label: float(p) for label, p in zip(card.labels, probabilities, strict=True)}


def _evidence(maps: tuple[Tensor, ...]) -> tuple[float, ...]:
    return tuple(float(scale.mean()) for scale in maps)
