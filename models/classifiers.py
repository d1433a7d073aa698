"""Loaded models: decoded arrays in, predictions with heat maps out."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.chest_gate import ChestGate
from models.contract import FloatArray, ModelCard, RadiographPrediction, VolumePrediction
from models.errors import UnusableInput
from models.networks.dynamic_fusion import DynamicFusion
from models.preprocessing import prepare_radiograph, prepare_slices
from models.saliency import Explanation, explain, heat_map

KEY_SHARE = 0.1
"""The study is judged by this share of its slices, the ones that speak most for the target label."""


@dataclass(frozen=True, slots=True)
class RadiographClassifier:
    """Reads one chest film at a time."""

    card: ModelCard
    device: str
    network: DynamicFusion
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
        images = _to_device(prepare_radiograph(pixels, self.card.preprocessing), self.device)
        features = self.network.features(images)
        logits = self.network.logits(features)
        probabilities = calibrated(logits, self.card)[0]
        label = most_probable_finding(probabilities, self.card)
        explanation = explain(self.network, features, logits, torch.tensor([label], device=self.device))
        return RadiographPrediction(
            probabilities=_by_label(probabilities, self.card),
            logits=logits[0].cpu().numpy(),
            explained_label=self.card.labels[label],
            saliency=heat_map(explanation, 0, *pixels.shape),
            evidence_by_scale=_evidence(explanation, 0),
            gate=self.gate.judge(pixels, features.pooled[0].flatten()),
        )


@dataclass(frozen=True, slots=True)
class SliceClassifier:
    """Reads the axial slices of a chest CT; ``models.lung_field`` chooses beforehand which show lung."""

    card: ModelCard
    device: str
    network: DynamicFusion

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
        parts = [
            calibrated(self.network(self._input(slices[first : first + batch])), self.card)
            for first in range(0, len(slices), batch)
        ]
        probabilities = torch.cat(parts).cpu()
        target = self.card.labels.index(self.card.target_label)
        keys = key_slices(probabilities[:, target])
        saliency, evidence = self._explain(slices, keys, target, batch)
        return VolumePrediction(
            probabilities=_by_label(probabilities[list(keys)].mean(0), self.card),
            slice_probabilities=probabilities.numpy(),
            key_slices=keys,
            explained_label=self.card.target_label,
            saliency=saliency,
            evidence_by_scale=evidence,
        )

    def _explain(
        self, slices: npt.NDArray[np.int16], keys: tuple[int, ...], target: int, batch: int
    ) -> tuple[FloatArray, tuple[float, float, float, float, float]]:
        """Run the key slices once more, for their heat maps."""
        maps: list[FloatArray] = []
        explanations: list[Explanation] = []
        for first in range(0, len(keys), batch):
            chosen = list(keys[first : first + batch])
            features = self.network.features(self._input(slices[chosen]))
            labels = torch.full((len(chosen),), target, device=self.device)
            explanation = explain(self.network, features, self.network.logits(features), labels)
            maps.extend(heat_map(explanation, i, *slices.shape[1:]) for i in range(len(chosen)))
            explanations.append(explanation)
        return np.stack(maps), _evidence(explanations[0], 0)

    def _input(self, slices: npt.NDArray[np.int16]) -> Tensor:
        return _to_device(prepare_slices(slices, self.card.preprocessing), self.device)


def key_slices(target_probabilities: Tensor) -> tuple[int, ...]:
    """Return the indices of the top tenth (at least one) of (n,) probabilities, highest first."""
    count = max(1, math.ceil(len(target_probabilities) * KEY_SHARE))
    order = torch.argsort(target_probabilities, descending=True, stable=True)[:count]
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


def _to_device(images: Tensor, device: str) -> Tensor:
    return images.to(device).contiguous(memory_format=torch.channels_last)


def _by_label(probabilities: Tensor, card: ModelCard) -> dict[str, float]:
    return {label: float(p) for label, p in zip(card.labels, probabilities, strict=True)}


def _evidence(explanation: Explanation, index: int) -> tuple[float, float, float, float, float]:
    first, second, third, fourth, fifth = (float(v) for v in explanation.evidence_by_scale[index])
    return first, second, third, fourth, fifth
