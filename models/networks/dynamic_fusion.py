"""Dynamic fusion of five depths of a trunk (Jia et al. 2021); ``models.networks.modified`` puts it on trunks.

z_n = sum_i w[n, i] g_i[n], with w = GAP(relu(BN(conv1x1(image)))) and g_i = GAP(relu(BN(conv1x1(x_i)))):
the weights are each sample's own. The authors' released code couples the samples of a batch instead; it is
kept as ``Fusion.AUTHORS`` to reproduce their tables, and is refused wherever a patient could be answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import UnusableInput
from models.networks.heads import hardswish_slope
from models.networks.interface import ChestNetwork, Features, HeatMapKind, placed, xavier
from models.networks.normalisation import Norm, Normalise

SCALES = 5
GRID = 15  # cells a side, at least, of a branch's map; equal cells keep every spatial mean exact


class Fusion(Enum):
    """How the five branch outputs become one vector."""

    PER_SAMPLE = "paper"
    """z_n = sum_i w[n, i] g_i[n]: what the paper says."""
    CONCATENATED = "concat"
    """The five outputs side by side, unweighted: the variant left as a comment in the authors' code."""
    AUTHORS = "authors"
    """z[n, c, j] = sum_i w[i, j] g_i[n, c]: what their code computes. Needs five samples, couples them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionHead:
    """What is added to a trunk, and how the image comes to both."""

    classes: int
    width: int
    """Channels of a branch."""
    dropout: float
    fusion: Fusion
    norm: Norm


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionFeatures(Features):
    """What one forward pass leaves for the logits, the heat map and the chest gate."""

    scale_weights: Tensor
    """(n, 5): how much each depth counts, from the image's intensities alone."""
    branch_maps: tuple[Tensor, ...]
    """Four maps (n, width, rows_i, columns_i) after conv, batch norm, ReLU; their means are g_1..g_4."""
    projected: Tensor
    """(n, channels_5, 1, 1): what the fifth branch reads, before its h-swish where it has one."""
    last_output: Tensor
    """(n, width): g_5."""


class PointwiseBranch(nn.Module):
    """1x1 convolution (with bias), batch norm and ReLU; the mean over the map is the branch's output."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation map (n, channels_out, rows, columns)."""
        out: Tensor = functional.relu(self.norm(self.conv(x)))
        return out

    @property
    def norm_scale(self) -> Tensor:
        """(channels_out,): what batch norm in ``eval`` multiplies each channel by."""
        assert self.norm.running_var is not None  # noqa: S101  always tracked here
        scale: Tensor = self.norm.weight * torch.rsqrt(self.norm.running_var + self.norm.eps)
        return scale


class Weigher(PointwiseBranch):
    """The branch that reads the image. Three channels are too few for an engine's map kernels.

    In ``eval`` it takes the places as one row: the same numbers, and the film graph took 5.8 ms for 6.3.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation map (n, channels_out, rows, columns); in ``eval`` as (n, .., places, 1)."""
        if self.training:
            return super().forward(x)
        norm = self.norm
        row = functional.conv1d(x.flatten(2), self.conv.weight.flatten(2), self.conv.bias)
        row = functional.batch_norm(
            row, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
        return functional.relu(row)[..., None]


class HardSwishVector(nn.Module):
    """MobileNetV3's last 1x1 layer after pooling: h-swish, dropout 0.2."""

    def __init__(self, project: nn.Conv2d) -> None:
        super().__init__()
        self.project = project
        self.dropout = nn.Dropout(0.2)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map (n, channels_in, 1, 1) to (n, channels_out, 1, 1)."""
        return self.activated(self.project(pooled))

    def activated(self, projected: Tensor) -> Tensor:
        """Return what follows the 1x1 layer."""
        out: Tensor = self.dropout(functional.hardswish(projected))
        return out


class DynamicFusion(ChestNetwork):
    """Logits from five depths of a trunk, weighted per sample; in ``eval`` no sample sees another."""

    heat_map = HeatMapKind.EXACT_MULTI_SCALE

    def __init__(
        self,
        *,
        stages: Sequence[nn.Module],
        last_stage: nn.Module,
        vector: HardSwishVector | None,
        channels: Sequence[int],
        head: FusionHead,
    ) -> None:
        super().__init__()
        self.normalise = Normalise(head.norm)
        self.stages = nn.ModuleList(stages)
        self.last_stage = last_stage
        self.vector = vector
        self.fusion = head.fusion
        self.serves = head.fusion is not Fusion.AUTHORS
        self.branches = nn.ModuleList(PointwiseBranch(c, head.width) for c in channels)
        self.weigher = Weigher(3, SCALES)
        self.dropout = nn.Dropout(head.dropout)
        copies = 1 if head.fusion is Fusion.PER_SAMPLE else SCALES
        self.classifier = nn.Linear(head.width * copies, head.classes)
        for added in (self.branches, self.weigher, self.classifier):
            xavier(added)

    def taps(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the four maps that the spatial branches read, and the last map, of images in trunk range."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps, self.last_stage(x)

    def features(self, images: Tensor) -> FusionFeatures:
        """Run the trunk and the four spatial branches on images (n, 3, rows, columns) in 0..255."""
        x = self.normalise(images)
        taps, last = self.taps(x)
        pooled = last.mean((2, 3), keepdim=True)
        projected = pooled if self.vector is None else self.vector.project(pooled)
        *branches, last_branch = self.branches
        vector = projected if self.vector is None else self.vector.activated(projected)
        return FusionFeatures(
            scale_weights=self.weigher(x).mean((2, 3)),
            branch_maps=tuple(branch(tap) for tap, branch in zip(taps, branches, strict=True)),
            last_map=last,
            projected=projected,
            last_output=last_branch(vector).flatten(1),
        )

    def fuse(self, features: FusionFeatures) -> Tensor:
        """Return z: (n, width) of the five branch outputs; five times as wide where they are not summed.

        Raises
        ------
        UnusableInput
            The authors' coupled fusion with fewer than five samples.
        """
        outputs = [_cells(m).mean((2, 3)) for m in features.branch_maps]
        outputs.append(features.last_output)
        weights = features.scale_weights
        match self.fusion:
            case Fusion.PER_SAMPLE:
                return torch.einsum("ni,inc->nc", weights, torch.stack(outputs))
            case Fusion.CONCATENATED:
                return torch.cat(outputs, dim=1)
            case Fusion.AUTHORS:
                if len(weights) < SCALES:
                    raise UnusableInput(f"the authors' fusion needs {SCALES} samples in a batch")
                return torch.einsum("ij,inc->ncj", weights[:SCALES], torch.stack(outputs)).flatten(1)

    def logits(self, features: Features) -> Tensor:
        """Return the class logits (n, classes) of features."""
        assert isinstance(features, FusionFeatures)  # noqa: S101  this network's own
        out: Tensor = self.classifier(self.dropout(self.fuse(features)))
        return out

    def maps(self, features: Features) -> tuple[Tensor, ...]:
        """Return five maps (n, labels, rows_i, columns_i): w_i W_c . r_i(p), the fifth linearised.

        logit_c - b_c = sum_i mean(map_i) + rest, where the rest is what the fifth branch's batch norm
        shift and h-swish curvature leave without a place. a . f of the fifth is Grad-CAM's map.
        """
        assert isinstance(features, FusionFeatures)  # noqa: S101  this network's own
        by_scale = self._class_weights(features)
        spatial = [placed(by_scale[i], _cells(m)) for i, m in enumerate(features.branch_maps)]
        return (*spatial, self._vector_map(features, by_scale[SCALES - 1]))

    def _class_weights(self, features: FusionFeatures) -> list[Tensor]:
        """Return W_c scaled as scale i enters the logits, (n, labels, width) a scale."""
        weight = self.classifier.weight
        match self.fusion:
            case Fusion.PER_SAMPLE:
                return list((weight * features.scale_weights[..., None, None]).unbind(1))
            case Fusion.CONCATENATED:
                return [
                    part.expand(features.scale_weights.shape[0], -1, -1)
                    for part in weight.chunk(SCALES, dim=1)
                ]
            case Fusion.AUTHORS:
                copies = weight.view(len(weight), -1, SCALES)
                return [
                    (copies * features.scale_weights[i])
                    .sum(2)
                    .expand(features.scale_weights.shape[0], -1, -1)
                    for i in range(SCALES)
                ]

    def _vector_map(self, features: FusionFeatures, class_weights: Tensor) -> Tensor:
        branch = self.branches[SCALES - 1]
        assert isinstance(branch, PointwiseBranch)  # noqa: S101  narrows ModuleList's element
        active = (features.last_output > 0).to(class_weights.dtype)
        slope = class_weights * (active * branch.norm_scale)[:, None]
        slope = slope @ branch.conv.weight.flatten(1)
        if self.vector is not None:
            bend = hardswish_slope(features.projected.flatten(1))
            slope = (slope * bend[:, None]) @ self.vector.project.weight.flatten(1)
        return placed(slope, features.last_map)


def _cells(branch_map: Tensor) -> Tensor:
    """Average into equal cells, at least ``GRID`` a side: the same mean, far fewer products."""
    size = branch_map.shape[-1]
    if branch_map.shape[-2] != size:
        return branch_map
    wanted = min(GRID, size)
    cell = max(k for k in range(1, size + 1) if size % k == 0 and size // k >= wanted)
    return branch_map if cell == 1 else functional.avg_pool2d(branch_map, cell)
