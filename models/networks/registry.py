"""Networks by name: the two papers', their baselines and comparators, and the modules on any backbone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from models.errors import UnknownModel
from models.networks.baselines import BASELINES
from models.networks.covidnet_like import covidnet_ct_like, covidnet_like
from models.networks.dynamic_fusion import (
    BackboneFusion,
    Fusion,
    FusionHead,
    modified_mobilenet_v3_small,
    modified_resnet18,
)
from models.networks.enhanced import EnhancedNetwork, EnhancedOptions, Join
from models.networks.interface import ChestNetwork
from models.networks.pretrained import load_imagenet
from models.networks.spatial_pyramid import PyramidOptions
from models.networks.trunks import Backbone, build_backbone

ENHANCED_PREFIX, MODIFIED_PREFIX, PLAIN_PREFIX = "dspp_cid_", "modified_", "plain_"
IMAGENET_BACKBONE = "tf_efficientnet_lite0"
_PLAIN = EnhancedOptions(pyramid=PyramidOptions(stages=()), attention=None)
_BACKBONE_WIDTH, _BACKBONE_DROPOUT = 64, 0.3
Build = Callable[[int], ChestNetwork]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigures:
    """What a paper prints about a network; ours are measured beside it."""

    paper: str
    megabytes: float | None = None
    parameters: int | None = None
    accuracy: str = ""
    """As printed, with its data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    """One network that can be built by name."""

    build: Build
    input_size: int
    classes: int
    """As in the paper's main table."""
    paper: PaperFigures | None = None
    note: str = ""


def build_network(name: str, *, classes: int) -> ChestNetwork:
    """Return a network with random weights.

    A name is one of ``NETWORKS``, or ``dspp_cid_``, ``modified_`` or ``plain_`` before the name of a backbone
    (``models.networks.trunks``): the plug-and-play of both papers.

    Raises
    ------
    UnknownModel
        No network or backbone has that name.
    """
    if name in NETWORKS:
        return NETWORKS[name].build(classes)
    for prefix, build in _ON_BACKBONES.items():
        if name.startswith(prefix):
            return build(name.removeprefix(prefix), classes)
    raise UnknownModel(name, tuple(NETWORKS))


def start_from_imagenet(network: ChestNetwork) -> None:
    """Fill a network's EfficientNet-Lite0 trunk and tail with ImageNet weights.

    Raises
    ------
    WeightsMissing
        The weights' package is not installed, or the network stands on another trunk.
    """
    match network:
        case EnhancedNetwork():
            load_imagenet(network.trunk, network.tail)
        case BackboneFusion():
            load_imagenet(network.trunk, network.last_stage)
        case _:
            raise UnknownModel(type(network).__name__, (f"networks on {IMAGENET_BACKBONE}",))


def enhanced(backbone: str, classes: int, options: EnhancedOptions | None = None) -> EnhancedNetwork:
    """Return a backbone with D-SPP and CID; on the pretrained one they start as an addition of nothing."""
    join = Join.RESIDUAL if backbone == IMAGENET_BACKBONE else Join.REPLACE
    return EnhancedNetwork(build_backbone(backbone), classes, options or EnhancedOptions(join=join))


def plain(backbone: str, classes: int) -> EnhancedNetwork:
    """Return a backbone without the modules: what an enhanced one is compared with."""
    return EnhancedNetwork(build_backbone(backbone), classes, _PLAIN)


def modified(backbone: str, classes: int) -> BackboneFusion:
    """Return a backbone with dynamic fusion."""
    built: Backbone = build_backbone(backbone)
    head = FusionHead(classes=classes, width=_BACKBONE_WIDTH, dropout=_BACKBONE_DROPOUT)
    return BackboneFusion(built, head)


_ON_BACKBONES: dict[str, Callable[[str, int], ChestNetwork]] = {
    ENHANCED_PREFIX: enhanced,
    PLAIN_PREFIX: plain,
    MODIFIED_PREFIX: modified,
}


def _enhanced(backbone: str, accuracy: str) -> NetworkEntry:
    return NetworkEntry(
        build=partial(enhanced, backbone),
        input_size=224,
        classes=2,
        paper=PaperFigures(paper="Xu et al. 2022", accuracy=accuracy),
    )


def _baseline(name: str, size: int, megabytes: float) -> NetworkEntry:
    return NetworkEntry(
        build=BASELINES[name],
        input_size=size,
        classes=5,
        paper=PaperFigures(paper="Jia et al. 2021", megabytes=megabytes),
    )


NETWORKS: dict[str, NetworkEntry] = {
    "dspp_cid_mobilenet_v2": _enhanced("mobilenet_v2", "99.20 % SARS-CoV-2 CT"),
    "dspp_cid_resnet18": _enhanced("resnet18", "99.40 % SARS-CoV-2 CT"),
    "dspp_cid_resnet34": _enhanced("resnet34", ""),
    "dspp_cid_resnet50": _enhanced("resnet50", "85.22 % COVID19-CT, with pre-training"),
    "dspp_cid_vgg19": _enhanced("vgg19", ""),
    "dspp_cid_tf_efficientnet_lite0": NetworkEntry(
        build=partial(enhanced, IMAGENET_BACKBONE),
        input_size=224,
        classes=5,
        note="the papers' modules on the backbone that has ImageNet weights here",
    ),
    "modified_mobilenet_v3_small": NetworkEntry(
        build=modified_mobilenet_v3_small,
        input_size=299,
        classes=5,
        paper=PaperFigures(
            paper="Jia et al. 2021", megabytes=7.1, accuracy="99.6 % five classes of chest films"
        ),
    ),
    "modified_resnet18": NetworkEntry(
        build=modified_resnet18,
        input_size=256,
        classes=3,
        paper=PaperFigures(paper="Jia et al. 2021", megabytes=44.9, accuracy="99.3 % COVIDx-CT"),
    ),
    "modified_mobilenet_v3_small_authors": NetworkEntry(
        build=partial(modified_mobilenet_v3_small, fusion=Fusion.AUTHORS),
        input_size=299,
        classes=5,
        note="the released code's batch-coupled fusion, for reproduction: refused to serve",
    ),
    "modified_resnet18_authors": NetworkEntry(
        build=partial(modified_resnet18, fusion=Fusion.AUTHORS),
        input_size=256,
        classes=3,
        note="the released code's batch-coupled fusion, for reproduction: refused to serve",
    ),
    "modified_tf_efficientnet_lite0": NetworkEntry(
        build=partial(modified, IMAGENET_BACKBONE),
        input_size=224,
        classes=5,
        note="dynamic fusion on the backbone that has ImageNet weights here",
    ),
    "plain_tf_efficientnet_lite0": NetworkEntry(
        build=partial(plain, IMAGENET_BACKBONE), input_size=224, classes=5, note="baseline of both above"
    ),
    "plain_mobilenet_v2": NetworkEntry(build=partial(plain, "mobilenet_v2"), input_size=224, classes=2),
    "plain_resnet18": NetworkEntry(build=partial(plain, "resnet18"), input_size=224, classes=2),
    "plain_resnet34": NetworkEntry(build=partial(plain, "resnet34"), input_size=224, classes=2),
    "plain_resnet50": NetworkEntry(build=partial(plain, "resnet50"), input_size=224, classes=2),
    "plain_vgg19": NetworkEntry(build=partial(plain, "vgg19"), input_size=224, classes=2),
    "vgg16": _baseline("vgg16", 224, 537.1),
    "inception_v3": _baseline("inception_v3", 299, 87.3),
    "resnet18": _baseline("resnet18", 299, 44.8),
    "densenet121": _baseline("densenet121", 299, 28.2),
    "mobilenet_v3_small": _baseline("mobilenet_v3_small", 299, 6.7),
    "squeezenet1_0": _baseline("squeezenet1_0", 299, 2.95),
    "squeezenet1_0_authors_pool": NetworkEntry(
        build=BASELINES["squeezenet1_0_authors_pool"],
        input_size=299,
        classes=5,
        note="averages the top left corner only, as the authors ran it",
    ),
    "covidnet_like": NetworkEntry(
        build=covidnet_like,
        input_size=480,
        classes=3,
        note="approximate topology; published COVIDNet-CXR3-B (11.7 M, 93.3 %), not reproduced",
    ),
    "covidnet_ct_like": NetworkEntry(
        build=covidnet_ct_like,
        input_size=512,
        classes=3,
        note="approximate topology; published COVIDNet-CT-2 S (0.448 M), not reproduced",
    ),
}
