"""Closed-form class activation maps of the dynamic-fusion networks: one forward pass, no gradient.

logit_c - b_c = sum_i mean(cam_i), with cam_i = w_i W_c . relu(BN(conv_i x_i)) for the four spatial branches.
The fifth reads q = GAP(f) and is linearised at q: cam_5 = a . f + (part_5 - a . q); a . f is Grad-CAM's map.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.networks.dynamic_fusion import SCALES, DynamicFusion, FusionFeatures, PointwiseBranch

GRID = 15  # cells a side, at least; equal cells keep every spatial mean exact
MEETING_GRID = 128  # where the five maps are summed, so that a large film is interpolated once


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why each image of a batch got its logit for one label."""

    logits: Tensor
    """(n, labels)."""
    maps: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    """Five maps (n, rows_i, columns_i), fine to coarse; their spatial means and the bias sum to the logit."""
    offset: Tensor
    """(n,): the part of the fifth map that has no place, the same in every cell."""

    @property
    def evidence_by_scale(self) -> Tensor:
        """(n, 5): logit contributions of the five depths."""
        return torch.stack([m.mean((1, 2)) for m in self.maps], dim=1)


@torch.no_grad()
def explain(network: DynamicFusion, features: FusionFeatures, logits: Tensor, labels: Tensor) -> Explanation:
    """Explain ``logits`` (n, labels) of ``features`` for one label index an image, ``labels`` (n,)."""
    class_weights = network.classifier.weight[labels]
    weights = features.scale_weights
    maps = [
        torch.einsum("nc,nchw->nhw", class_weights * weights[:, i : i + 1], _cells(branch_map))
        for i, branch_map in enumerate(features.branch_maps)
    ]
    last, offset = _vector_branch(network, features, class_weights * weights[:, SCALES - 1 :])
    first, second, third, fourth = maps
    return Explanation(logits=logits, maps=(first, second, third, fourth, last), offset=offset)


def heat_map(explanation: Explanation, index: int, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Return image ``index``'s evidence for its label on the source grid (rows, columns), in [0, 1].

    The five maps are summed after bilinear interpolation; what has no place is left out, what speaks against
    the label is cut, and the strongest place becomes 1. All zero when nothing speaks for the label.
    """
    total = torch.zeros((1, 1, MEETING_GRID, MEETING_GRID))
    for i, scale_map in enumerate(explanation.maps):
        placed = scale_map[index] - (explanation.offset[index] if i == SCALES - 1 else 0)
        cells = placed[None, None].float().cpu()
        total += functional.interpolate(cells, size=total.shape[-2:], mode="bilinear")
    positive = functional.interpolate(total, size=(rows, columns), mode="bilinear")[0, 0].clamp_(min=0)
    strongest = float(positive.max())
    scaled: npt.NDArray[np.float32] = (positive / strongest if strongest > 0 else positive).numpy()
    return scaled


def _vector_branch(
    network: DynamicFusion, features: FusionFeatures, class_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the fifth map and its offset, for class weights already scaled by w_5."""
    branch = network.branches[SCALES - 1]
    assert isinstance(branch, PointwiseBranch)  # noqa: S101  narrows ModuleList's element
    active = branch(features.vector).flatten(1)
    part = (active * class_weights).sum(1)
    slope = class_weights * (active > 0) * _norm_scale(branch)
    slope = slope @ branch.conv.weight.flatten(1)
    if network.vector is not None:
        before = network.vector.project(features.pooled).flatten(1)
        slope = (slope * _hardswish_slope(before)) @ network.vector.project.weight.flatten(1)
    placed = torch.einsum("nc,nchw->nhw", slope, features.last_map)
    offset = part - placed.mean((1, 2))
    return placed + offset[:, None, None], offset


def _norm_scale(branch: PointwiseBranch) -> Tensor:
    """Return what batch norm in ``eval`` multiplies each channel by."""
    norm = branch.norm
    assert norm.running_var is not None  # noqa: S101  always tracked here
    return norm.weight * torch.rsqrt(norm.running_var + norm.eps)


def _hardswish_slope(t: Tensor) -> Tensor:
    """Return d hardswish / dt."""
    return torch.where(t >= 3, torch.ones_like(t), torch.where(t <= -3, torch.zeros_like(t), t / 3 + 0.5))


def _cells(branch_map: Tensor) -> Tensor:
    """Average into equal cells, at least ``GRID`` a side: the same mean, far fewer products."""
    size = branch_map.shape[-1]
    wanted = min(GRID, size)
    cell = max(k for k in range(1, size + 1) if size % k == 0 and size // k >= wanted)
    return functional.avg_pool2d(branch_map, cell)
