"""Runs a network over rows of a manifest, through the same preparation that serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.chest_gate import thumbnails
from models.datasets.manifest import ImageRow
from models.evaluation.metrics import Answers
from models.networks.dynamic_fusion import DynamicFusion
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


@torch.inference_mode()
def run_network(
    network: DynamicFusion,
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
        images = finish_common(grey, spec).contiguous(memory_format=torch.channels_last)
        features = network.features(images)
        logits.append(network.logits(features).float())
        pooled.append(features.pooled.flatten(1).float())
        small.append(thumbnails(grey))
        if advance:
            advance(min(first + BATCH, len(pixels)), len(pixels))
    return Outputs(logits=torch.cat(logits), pooled=torch.cat(pooled), thumbnails=torch.cat(small))


def answers_of(
    rows: Sequence[ImageRow], logits: Tensor, labels: tuple[str, ...], temperature: float
) -> Answers:
    """Return answers to rows that all have known labels."""
    return Answers(
        labels=labels,
        truth=np.array([labels.index(row.label) for row in rows], dtype=np.int64),
        probabilities=torch.softmax(logits.double() / temperature, dim=1).numpy(),
        groups=tuple(row.group for row in rows),
    )
