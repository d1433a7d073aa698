"""Backbones cut by resolution: six stages of strides 1 to 32, torchvision's nets or any that timm names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import timm
import torchvision
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from models.errors import UnbuildableNetwork, UnknownModel
from models.networks.heads import FlattenHead, Head, PooledLinearHead
from models.networks.normalisation import Norm, Normalise

STRIDES = (1, 2, 4, 8, 16, 32)
"""Of stages 1 to 6: five down-samplings, numbered by resolution, so that "stage 4, 5, 6" fits every net."""


class Trunk(nn.Module):
    """Stages in series; stage 1 is the image itself, except in VGG, where it is the first convolutions."""

    def __init__(self, stages: Sequence[nn.Module], channels: Sequence[int], norm: Norm) -> None:
        super().__init__()
        self.normalise = Normalise(norm)
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(channels)
        self.strides = STRIDES

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the six stages' outputs (n, channels_i, rows_i, columns_i) of images in 0..255."""
        maps: list[Tensor] = []
        x = self.normalise(images)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class TimmTrunk(Trunk):
    """A trunk that timm cuts into its feature maps."""

    def __init__(self, name: str) -> None:
        try:
            net = timm.create_model(name, features_only=True, pretrained=False)
        except RuntimeError as error:
            raise UnbuildableNetwork(f"timm gives no feature maps of {name}") from error
        strides, channels = tuple(net.feature_info.reduction()), tuple(net.feature_info.channels())
        if strides not in {STRIDES, STRIDES[1:]}:
            raise UnbuildableNetwork(f"{name} has maps at strides {strides}; 2, 4, 8, 16 and 32 are needed")
        if str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC"):
            raise UnbuildableNetwork(f"{name} gives maps with the channels last")
        super().__init__([], channels if strides == STRIDES else (3, *channels), _norm_of(name))
        self.net = net
        self.starts_with_image = strides != STRIDES

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the six stages' outputs; the first is the image where the net has no map of its size."""
        x = self.normalise(images)
        return [x, *self.net(x)] if self.starts_with_image else list(self.net(x))


def _norm_of(name: str) -> Norm:
    """Return the range that timm's weights of a net expect; ImageNet's where its statistics are rarer."""
    config = timm.get_pretrained_cfg(name)
    return Norm.UNIT if config is not None and tuple(config.mean) == (0.5, 0.5, 0.5) else Norm.IMAGENET


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A trunk with what follows it in the original network."""

    trunk: Trunk
    tail: nn.Module
    """From stage 6 to the last map, such as MobileNetV2's 1 x 1 convolution to 1280."""
    tail_channels: int
    head: Callable[[int], Head]
    """Builds the original head for a number of classes."""


def build_backbone(name: str) -> Backbone:
    """Return a backbone with random weights.

    Raises
    ------
    UnknownModel
        Neither torchvision's list here nor timm has such a network.
    UnbuildableNetwork
        It has no maps at strides 2, 4, 8, 16 and 32.
    """
    if name in _CUTS:
        return _CUTS[name](name)
    if not timm.is_model(name):
        raise UnknownModel(name, (*_CUTS, "any network of timm with maps at strides 2 to 32"))
    trunk = TimmTrunk(name)
    channels = trunk.channels[-1]
    return Backbone(
        trunk=trunk, tail=nn.Identity(), tail_channels=channels, head=lambda k: PooledLinearHead(channels, k)
    )


def _resnet(name: str) -> Backbone:
    net = torchvision.models.get_model(name, weights=None)
    widths = (64, 256, 512, 1024, 2048) if name == "resnet50" else (64, 64, 128, 256, 512)
    stages = [
        nn.Identity(),
        nn.Sequential(net.conv1, net.bn1, net.relu),
        nn.Sequential(net.maxpool, net.layer1),
        net.layer2,
        net.layer3,
        net.layer4,
    ]
    return Backbone(
        trunk=Trunk(stages, (3, *widths), Norm.IMAGENET),
        tail=nn.Identity(),
        tail_channels=widths[-1],
        head=lambda k: PooledLinearHead(widths[-1], k),
    )


def _mobilenet_v2(_: str) -> Backbone:
    layers = torchvision.models.mobilenet_v2(weights=None).features
    cuts = ((0, 2), (2, 4), (4, 7), (7, 14), (14, 18))
    return Backbone(
        trunk=Trunk(
            [nn.Identity(), *(nn.Sequential(*layers[a:b]) for a, b in cuts)],
            (3, 16, 24, 32, 96, 320),
            Norm.IMAGENET,
        ),
        tail=layers[18],
        tail_channels=1280,
        head=lambda k: PooledLinearHead(1280, k, dropout=0.2),
    )


def _vgg(name: str) -> Backbone:
    net = torchvision.models.get_model(name, weights=None)
    layers = list(net.features)
    pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    begins = (0, *pools[:-1])
    stages = [nn.Sequential(*layers[a:b]) for a, b in zip(begins, pools, strict=True)]

    def head(classes: int) -> Head:
        net.classifier[6] = nn.Linear(4096, classes)
        return FlattenHead(net.classifier)

    return Backbone(
        trunk=Trunk([*stages, layers[pools[-1]]], (64, 128, 256, 512, 512, 512), Norm.IMAGENET),
        tail=nn.Identity(),
        tail_channels=512,
        head=head,
    )


def _efficientnet(name: str) -> Backbone:
    """Cut timm's EfficientNet itself, so that its last 1 x 1 convolution and its ImageNet weights stay."""
    net = timm.create_model(name, pretrained=False)
    assert isinstance(net, EfficientNet)  # noqa: S101  narrows timm's Module
    blocks = list(net.blocks)
    stages = [
        nn.Identity(),
        nn.Sequential(net.conv_stem, net.bn1, blocks[0]),
        blocks[1],
        blocks[2],
        nn.Sequential(*blocks[3:5]),
        nn.Sequential(*blocks[5:]),
    ]
    return Backbone(
        trunk=Trunk(stages, (3, 16, 24, 40, 112, 320), Norm.UNIT),
        tail=nn.Sequential(net.conv_head, net.bn2),
        tail_channels=1280,
        head=lambda k: PooledLinearHead(1280, k, dropout=0.2),
    )


_CUTS: dict[str, Callable[[str], Backbone]] = {
    "mobilenet_v2": _mobilenet_v2,
    "resnet18": _resnet,
    "resnet34": _resnet,
    "resnet50": _resnet,
    "vgg19": _vgg,
    "vgg19_bn": _vgg,
    "tf_efficientnet_lite0": _efficientnet,
}
