"""Is this a picture that the model reads? Quality, thumbnail and features against the training's."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.contract import FloatArray, GateScore, GateSettings, GateVerdict, ImageKind
from models.gate.quality import quality_fault
from models.gate.statistics import GateStatistics, Scores, excesses
from models.gate.thumbnails import DISGUISES, disguised, thumbnails, undone

__all__ = ["ChestGate", "GateStatistics", "judge_slices", "thumbnails"]

LEAST_PASSING = 0.5
"""Share of a study's slices that must pass: a few strange ones lie at the ends of every lung."""
LEAST_LIKENESS = 0.5
"""Correlation of a righted thumbnail with the mean one: 0.65 is usual of films, 0.46 was most of others."""
_NOUNS = {ImageKind.CHEST_RADIOGRAPH: "chest film", ImageKind.CHEST_CT: "chest CT slice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestGate:
    """The gate as it serves."""

    statistics: GateStatistics
    settings: GateSettings

    def judge(self, pixels: FloatArray, pooled: Tensor, logits: Tensor) -> GateVerdict:
        """Judge one picture.

        Parameters
        ----------
        pixels
            (rows, columns) float32 in [0, 1] as the network was shown it: white is dense, CT windowed.
        pooled
            (channels,): spatial means of the network's last map.
        logits
            (labels,) before the temperature.
        """
        fault = quality_fault(pixels)
        if fault:
            return GateVerdict(passed=False, score=0.0, reason=fault)
        thumbnail = thumbnails(torch.from_numpy(np.ascontiguousarray(pixels))[None])
        scores = self.statistics.scores(thumbnail, pooled[None].float().cpu(), logits[None].float().cpu())
        excess = {name: float(value[0]) for name, value in excesses(scores, self.settings).items()}
        worst = max(excess, key=lambda name: excess[name])
        score = 1 - excess[worst] / self.settings.most_excess
        if score >= 0:
            noun = _NOUNS[self.settings.kind]
            return GateVerdict(passed=True, score=score, reason=f"looks like a {noun}")
        return GateVerdict(passed=False, score=score, reason=self._objection(worst, thumbnail, scores))

    def judge_each(self, pictures: Tensor, pooled: Tensor, logits: Tensor) -> tuple[GateVerdict, ...]:
        """Judge pictures (n, rows, columns) in [0, 1] with features (n, channels) and logits (n, labels)."""
        shown = pictures.float().cpu().numpy()
        return tuple(self.judge(*one) for one in zip(shown, pooled, logits, strict=True))

    def _objection(self, worst: GateScore, thumbnail: Tensor, scores: Scores) -> str:
        """Say what a refused picture is like; one that only is shown wrongly is told so."""
        noun = _NOUNS[self.settings.kind]
        shown = self._disguise(thumbnail)
        if shown and float(scores[GateScore.TEMPLATE][0]) > self.settings.limits[GateScore.TEMPLATE].limit:
            return f"no {noun}, or one that is {shown}"
        if worst is GateScore.TEMPLATE:
            return f"does not look like a {noun}"
        return f"unlike the pictures that the model knows (by {worst.value})"

    def _disguise(self, thumbnail: Tensor) -> str:
        """Return how a thumbnail (1, 32, 32) is shown wrongly, if it is a right one but for that."""
        righted = {way: disguised(thumbnail, undone(way), white=0.0) for way in DISGUISES[self.settings.kind]}
        likeness = {way: float((righted[way] * self.statistics.typical).sum()) for way in righted}
        way = max(likeness, key=lambda way: likeness[way])
        return way.value if likeness[way] > LEAST_LIKENESS else ""


def judge_slices(verdicts: Sequence[GateVerdict]) -> GateVerdict:
    """Judge a CT study by its slices' verdicts: half of them must pass."""
    refused = [verdict.reason for verdict in verdicts if not verdict.passed]
    score = float(np.median([verdict.score for verdict in verdicts])) if verdicts else 0.0
    if len(verdicts) - len(refused) >= max(1, LEAST_PASSING * len(verdicts)):
        return GateVerdict(passed=True, score=score, reason="looks like a chest CT")
    if not verdicts:
        return GateVerdict(passed=False, score=0.0, reason="there is no slice")
    commonest, _ = Counter(refused).most_common(1)[0]
    reason = f"{len(refused)} of {len(verdicts)} slices are refused, most often: {commonest}"
    return GateVerdict(passed=False, score=score, reason=reason)
