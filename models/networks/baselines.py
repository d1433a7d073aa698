"""The networks that Jia et al. compare (Tables 2 and 10), from torchvision."""

from collections.abc import Callable

import torchvision
from torch import Tensor, nn

from models.networks.heads import (
    FlattenHead,
    HardSwishHead,
    Head,
    HeadedNetwork,
    LogitMapHead,
    PooledLinearHead,
)
from models.networks.interface import Features
from models.networks.modified import LAST_MAP_WIDTH, LastLayer, mobilenet_v3_small_layers
from models.networks.normalisation import Norm, Normalise

AUTHORS_POOL = 13  # cells of the corner that GluonCV's SqueezeNet averages


class Baseline(HeadedNetwork):
    """A network as published, cut at its last map."""

    def __init__(self, layers: nn.Module, head: Head, norm: Norm) -> None:
        super().__init__(head)
        self.normalise = Normalise(norm)
        self.layers = layers

    def features(self, images: Tensor) -> Features:
        """Run the convolutional layers on images (n, 3, rows, columns) in 0..255."""
        return Features(last_map=self.layers(self.normalise(images)))


def mobilenet_v3_small(classes: int) -> Baseline:
    """Build GluonCV's MobileNetV3-small, whose last 1x1 layer is 1280 wide."""
    return Baseline(
        mobilenet_v3_small_layers(), HardSwishHead(LAST_MAP_WIDTH, LastLayer.GLUON.value, classes), Norm.RAW
    )


def resnet18(classes: int) -> Baseline:
    """Build ResNet18 with raw pixels, the baseline of the modified ResNet18."""
    net = torchvision.models.resnet18(weights=None)
    layers = nn.Sequential(
        net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4
    )
    return Baseline(layers, PooledLinearHead(512, classes), Norm.RAW)


def vgg16(classes: int) -> Baseline:
    """Build VGG16 with its fully connected head."""
    net = torchvision.models.vgg16(weights=None, num_classes=classes)
    return Baseline(net.features, FlattenHead(net.classifier), Norm.RAW)


def inception_v3(classes: int) -> Baseline:
    """Build Inception-v3 without the auxiliary head."""
    net = torchvision.models.inception_v3(
        weights=None, aux_logits=False, init_weights=True, num_classes=classes
    )
    named = dict(net.named_children())
    layers = [layer for name, layer in named.items() if name not in {"avgpool", "dropout", "fc", "AuxLogits"}]
    return Baseline(nn.Sequential(*layers), PooledLinearHead(2048, classes, dropout=0.5), Norm.RAW)


def densenet121(classes: int) -> Baseline:
    """Build DenseNet121."""
    net = torchvision.models.densenet121(weights=None)
    layers = nn.Sequential(net.features, nn.ReLU(inplace=True))
    return Baseline(layers, PooledLinearHead(1024, classes), Norm.RAW)


def squeezenet1_0(classes: int) -> Baseline:
    """Build SqueezeNet 1.0 that averages its whole logit map."""
    return _squeezenet(classes, corner=None)


def squeezenet1_0_authors_pool(classes: int) -> Baseline:
    """Build SqueezeNet 1.0 as the authors ran it: only the logit map's top left corner counts."""
    return _squeezenet(classes, corner=AUTHORS_POOL)


def _squeezenet(classes: int, *, corner: int | None) -> Baseline:
    net = torchvision.models.squeezenet1_0(weights=None)
    return Baseline(net.features, LogitMapHead(512, classes, corner=corner), Norm.RAW)


BASELINES: dict[str, Callable[[int], Baseline]] = {
    "vgg16": vgg16,
    "inception_v3": inception_v3,
    "resnet18": resnet18,
    "densenet121": densenet121,
    "mobilenet_v3_small": mobilenet_v3_small,
    "squeezenet1_0": squeezenet1_0,
    "squeezenet1_0_authors_pool": squeezenet1_0_authors_pool,
}
