"""Dynamic fusion of five depths of a trunk (Jia et al. 2021): modified MobileNetV3-small and ResNet18.

z_n = sum_i w[n, i] g_i[n], with w = GAP(relu(BN(conv1x1(image)))) and g_i = GAP(relu(BN(conv1x1(x_i)))):
the weights are each sample's own (the authors' released code couples the samples of a batch).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

SCALES = 5
GLUON_LAST_WIDTH = 1280  # GluonCV's trunk; the paper's text says 1024, its model sizes say 1280


def modified_mobilenet_v3_small(classes: int) -> "DynamicFusion":
    """Build the film network: MobileNetV3-small trunk, 64-wide branches, 299 x 299 in the paper."""
    settings, _ = _mobilenet_v3_conf("mobilenet_v3_small")
    norm = partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1)
    trunk = MobileNetV3(settings, GLUON_LAST_WIDTH, num_classes=classes, norm_layer=norm).features
    return DynamicFusion(
        stages=[trunk[0], trunk[1], trunk[2], trunk[3]],
        last_stage=nn.Sequential(*trunk[4:]),
        vector=HardSwishVector(576, GLUON_LAST_WIDTH),
        channels=(16, 16, 24, 24, GLUON_LAST_WIDTH),
        head=FusionHead(classes=classes, width=64, dropout=0.5),
    )


def modified_resnet18(classes: int) -> "DynamicFusion":
    """Build the slice network: ResNet18 trunk, 32-wide branches, 256 x 256 in the paper."""
    trunk = resnet18(weights=None)
    stem = nn.Sequential(trunk.conv1, trunk.bn1, trunk.relu, trunk.maxpool)
    return DynamicFusion(
        stages=[stem, trunk.layer1, trunk.layer2, trunk.layer3],
        last_stage=trunk.layer4,
        vector=None,
        channels=(64, 64, 128, 256, 512),
        head=FusionHead(classes=classes, width=32, dropout=0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionHead:
    """Size of what is added to a trunk."""

    classes: int
    width: int
    dropout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionFeatures:
    """What one forward pass leaves for the logits, the heat map and the chest gate."""

    scale_weights: Tensor
    """(n, 5): how much each depth counts, from the image's intensities alone."""
    branch_maps: tuple[Tensor, ...]
    """Four maps (n, width, rows_i, columns_i) after conv, batch norm, ReLU; their means are g_1..g_4."""
    last_map: Tensor
    """(n, channels, rows, columns): the trunk's last map."""
    pooled: Tensor
    """(n, channels, 1, 1): spatial mean of ``last_map``."""
    vector: Tensor
    """(n, channels_5, 1, 1): what the fifth branch reads."""


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


class HardSwishVector(nn.Module):
    """MobileNetV3's last 1x1 layer after pooling: no bias, h-swish, dropout 0.2."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.dropout = nn.Dropout(0.2)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map (n, channels_in, 1, 1) to (n, channels_out, 1, 1)."""
        out: Tensor = self.dropout(functional.hardswish(self.project(pooled)))
        return out


class DynamicFusion(nn.Module):
    """Logits from five depths of a trunk, weighted per sample; in ``eval`` no sample sees another."""

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
        self.stages = nn.ModuleList(stages)
        self.last_stage = last_stage
        self.vector = vector
        self.branches = nn.ModuleList(PointwiseBranch(c, head.width) for c in channels)
        self.weigher = PointwiseBranch(3, SCALES)
        self.dropout = nn.Dropout(head.dropout)
        self.classifier = nn.Linear(head.width, head.classes)
        for added in (self.branches, self.weigher, self.classifier):
            _xavier(added)

    def features(self, images: Tensor) -> FusionFeatures:
        """Run the trunk and the four spatial branches on images (n, 3, rows, columns) in 0..255."""
        maps: list[Tensor] = []
        x = images
        for stage, branch in zip(self.stages, self.branches, strict=False):
            x = stage(x)
            maps.append(branch(x))
        last = self.last_stage(x)
        pooled = last.mean((2, 3), keepdim=True)
        return FusionFeatures(
            scale_weights=self.weigher(images).mean((2, 3)),
            branch_maps=tuple(maps),
            last_map=last,
            pooled=pooled,
            vector=pooled if self.vector is None else self.vector(pooled),
        )

    def fuse(self, features: FusionFeatures) -> Tensor:
        """Return z (n, width): the five branch outputs summed with the sample's own weights."""
        outputs = [m.mean((2, 3)) for m in features.branch_maps]
        outputs.append(self.branches[SCALES - 1](features.vector).flatten(1))
        return torch.einsum("ni,inc->nc", features.scale_weights, torch.stack(outputs))

    def logits(self, features: FusionFeatures) -> Tensor:
        """Return the class logits (n, classes) of features."""
        out: Tensor = self.classifier(self.dropout(self.fuse(features)))
        return out

    def forward(self, images: Tensor) -> Tensor:
        """Return the class logits (n, classes) of images (n, 3, rows, columns) in 0..255."""
        return self.logits(self.features(images))


def _xavier(module: nn.Module) -> None:
    """Initialise as MXNet's ``init.Xavier()`` does; the authors use it for the layers that they add."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
