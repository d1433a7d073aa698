"""Jia et al. 2021: dynamic fusion on MobileNetV3-small (films), on ResNet18 (slices) and on any backbone."""

from dataclasses import dataclass
from enum import Enum
from functools import partial

from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

from models.networks.dynamic_fusion import DynamicFusion, Fusion, FusionHead, HardSwishVector
from models.networks.normalisation import Norm, Normalise
from models.networks.trunks import Backbone

LAST_MAP_WIDTH = 576  # of MobileNetV3-small


class LastLayer(Enum):
    """Width of MobileNetV3-small's last 1x1 layer, and with it whose definition the trunk follows."""

    GLUON = 1280
    """GluonCV's, as the authors: no bias, batch norm epsilon 1e-5; only it gives the paper's sizes."""
    TORCHVISION = 1024
    """The paper's text, and torchvision's weights: bias, epsilon 1e-3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionOptions:
    """What paper and released code leave open or contradict; None is the network's own."""

    fusion: Fusion = Fusion.PER_SAMPLE
    norm: Norm | None = None
    """The paper's two read 0..255 as it is, a backbone its range; torchvision's weights want ImageNet's."""
    width: int | None = None
    """Channels of a branch: 64 on MobileNetV3-small and on backbones, 32 on ResNet18."""
    dropout: float | None = None
    """Before the last layer: 0.5 on MobileNetV3-small, none on ResNet18, 0.3 on backbones."""
    last: LastLayer = LastLayer.GLUON
    """Of MobileNetV3-small; the others have no such layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """What a network has where the options leave it open."""

    norm: Norm
    width: int
    dropout: float

    def head(self, classes: int, chosen: FusionOptions) -> FusionHead:
        """Return the head of the options."""
        return FusionHead(
            classes=classes,
            width=chosen.width or self.width,
            dropout=self.dropout if chosen.dropout is None else chosen.dropout,
            fusion=chosen.fusion,
            norm=chosen.norm or self.norm,
        )


def modified_mobilenet_v3_small(classes: int, options: FusionOptions | None = None) -> DynamicFusion:
    """Build the film network, 299 x 299 in the paper."""
    chosen = options or FusionOptions()
    trunk = mobilenet_v3_small_layers(chosen.last)
    width, has_bias = chosen.last.value, chosen.last is LastLayer.TORCHVISION
    return DynamicFusion(
        stages=[trunk[0], trunk[1], trunk[2], trunk[3]],
        last_stage=nn.Sequential(*trunk[4:]),
        vector=HardSwishVector(nn.Conv2d(LAST_MAP_WIDTH, width, 1, bias=has_bias)),
        channels=(16, 16, 24, 24, width),
        head=_Own(norm=Norm.RAW, width=64, dropout=0.5).head(classes, chosen),
    )


def modified_resnet18(classes: int, options: FusionOptions | None = None) -> DynamicFusion:
    """Build the slice network, 256 x 256 in the paper."""
    trunk = resnet18(weights=None)
    stem = nn.Sequential(trunk.conv1, trunk.bn1, trunk.relu, trunk.maxpool)
    return DynamicFusion(
        stages=[stem, trunk.layer1, trunk.layer2, trunk.layer3],
        last_stage=trunk.layer4,
        vector=None,
        channels=(64, 64, 128, 256, 512),
        head=_Own(norm=Norm.RAW, width=32, dropout=0.0).head(classes, options or FusionOptions()),
    )


class BackboneFusion(DynamicFusion):
    """Dynamic fusion on a backbone that the user names: it reads stages 2 to 5 and the pooled last map."""

    def __init__(self, backbone: Backbone, classes: int, options: FusionOptions | None = None) -> None:
        trunk = backbone.trunk
        own = _Own(norm=trunk.normalise.norm, width=64, dropout=0.3)
        super().__init__(
            stages=[],
            last_stage=backbone.tail,
            vector=None,
            channels=(*trunk.channels[1:5], backbone.tail_channels),
            head=own.head(classes, options or FusionOptions()),
        )
        self.trunk = trunk
        self.trunk.normalise = Normalise(Norm.RAW)  # this network brings images to the trunk's range itself

    def taps(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the maps at strides 2, 4, 8 and 16, and the last map, of normalised images."""
        maps = self.trunk(x)
        return maps[1:5], self.last_stage(maps[5])


def mobilenet_v3_small_layers(last: LastLayer = LastLayer.GLUON) -> nn.Sequential:
    """Return MobileNetV3-small up to its 576-wide last map."""
    settings, _ = _mobilenet_v3_conf("mobilenet_v3_small")
    epsilon, momentum = (1e-5, 0.1) if last is LastLayer.GLUON else (1e-3, 0.01)
    norm = partial(nn.BatchNorm2d, eps=epsilon, momentum=momentum)
    layers: nn.Sequential = MobileNetV3(settings, last.value, num_classes=1, norm_layer=norm).features
    return layers
