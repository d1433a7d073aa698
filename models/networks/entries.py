"""The table of networks: the papers', their baselines and comparators, the modules on any backbone."""

from collections.abc import Callable
from dataclasses import dataclass

from models.errors import UnbuildableNetwork
from models.networks.baselines import BASELINES
from models.networks.covidnet_like import covidnet_ct_like, covidnet_like
from models.networks.dynamic_fusion import DynamicFusion, Fusion
from models.networks.enhanced import EnhancedNetwork, EnhancedOptions, Join
from models.networks.interface import ChestNetwork
from models.networks.modified import (
    BackboneFusion,
    FusionOptions,
    modified_mobilenet_v3_small,
    modified_resnet18,
)
from models.networks.papers import FIGURES, PaperFigures
from models.networks.spatial_pyramid import PyramidOptions
from models.networks.trunks import build_backbone
from models.networks.variants import NetworkOptions, NoOptions

IMAGENET_BACKBONE = "tf_efficientnet_lite0"
ENHANCED_PREFIX, PLAIN_PREFIX, MODIFIED_PREFIX = "dspp_cid_", "plain_", "modified_"
INPUT_SIZE = 224
XU_BACKBONES = ("mobilenet_v2", "resnet18", "resnet34", "resnet50", "vgg19")
INPUT_SIZES = {"vgg16": 224}  # of the baselines, in the authors' scripts; the others read 299
APPROXIMATE = "approximate: rebuilt in topology only; the paper's figures are published, not reproduced"
COUPLED = "the released code's batch-coupled fusion, for reproduction only: refused to serve"
Build = Callable[[int, NetworkOptions], ChestNetwork]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    """One network that can be built by name."""

    build: Build
    """From a number of classes and options."""
    options: NetworkOptions
    """The chosen reading where a paper is open."""
    input_size: int
    classes: int
    """As in the paper's main table."""
    paper: PaperFigures | None = None
    note: str = ""


def enhanced(backbone: str, *, classes: int = 2, note: str = "") -> NetworkEntry:
    """Return a backbone with D-SPP and CID; on the pretrained one D-SPP starts as an addition of nothing."""

    def build(classes: int, options: NetworkOptions) -> EnhancedNetwork:
        if not isinstance(options, EnhancedOptions):
            raise UnbuildableNetwork(f"{ENHANCED_PREFIX}{backbone} takes the options of D-SPP and CID")
        return EnhancedNetwork(build_backbone(backbone), classes, options)

    return NetworkEntry(
        build=build,
        options=EnhancedOptions(join=Join.RESIDUAL if backbone == IMAGENET_BACKBONE else Join.REPLACE),
        input_size=INPUT_SIZE,
        classes=classes,
        paper=FIGURES.get(ENHANCED_PREFIX + backbone),
        note=note,
    )


def plain(backbone: str, *, classes: int = 2, note: str = "") -> NetworkEntry:
    """Return a backbone without the modules: what an enhanced one is compared with."""
    without = EnhancedOptions(pyramid=PyramidOptions(stages=()), attention=None)
    return _as_it_is(
        lambda classes: EnhancedNetwork(build_backbone(backbone), classes, without),
        PLAIN_PREFIX + backbone,
        input_size=INPUT_SIZE,
        classes=classes,
        note=note,
    )


def modified(backbone: str, *, classes: int = 5, note: str = "") -> NetworkEntry:
    """Return a backbone with dynamic fusion."""
    return NetworkEntry(
        build=lambda classes, options: BackboneFusion(
            build_backbone(backbone), classes, _fusion_options(options)
        ),
        options=FusionOptions(),
        input_size=INPUT_SIZE,
        classes=classes,
        paper=FIGURES.get(MODIFIED_PREFIX + backbone),
        note=note,
    )


ON_BACKBONES: dict[str, Callable[[str], NetworkEntry]] = {
    ENHANCED_PREFIX: enhanced,
    PLAIN_PREFIX: plain,
    MODIFIED_PREFIX: modified,
}


def _of_jia(
    build: Callable[[int, FusionOptions], DynamicFusion], name: str, *, input_size: int, classes: int
) -> dict[str, NetworkEntry]:
    """Return a modified network, and the same with the authors' fusion."""
    return {
        name + ending: NetworkEntry(
            build=lambda classes, options: build(classes, _fusion_options(options)),
            options=FusionOptions(fusion=fusion),
            input_size=input_size,
            classes=classes,
            paper=FIGURES[name],
            note=note,
        )
        for ending, fusion, note in (("", Fusion.PER_SAMPLE, ""), ("_authors", Fusion.AUTHORS, COUPLED))
    }


def _as_it_is(
    build: Callable[[int], ChestNetwork], name: str, *, input_size: int, classes: int, note: str = ""
) -> NetworkEntry:
    """Return a network without options."""

    def build_without(classes: int, options: NetworkOptions) -> ChestNetwork:
        if not isinstance(options, NoOptions):
            raise UnbuildableNetwork(f"{name} takes no options")
        return build(classes)

    return NetworkEntry(
        build=build_without,
        options=NoOptions(),
        input_size=input_size,
        classes=classes,
        paper=FIGURES.get(name),
        note=note,
    )


def _fusion_options(options: NetworkOptions) -> FusionOptions:
    if not isinstance(options, FusionOptions):
        raise UnbuildableNetwork("a modified network takes the options of dynamic fusion")
    return options


_CORNER = "averages the logit map's top left corner only, as the authors ran it"

NETWORKS: dict[str, NetworkEntry] = {
    **{ENHANCED_PREFIX + backbone: enhanced(backbone) for backbone in XU_BACKBONES},
    **{PLAIN_PREFIX + backbone: plain(backbone) for backbone in XU_BACKBONES},
    ENHANCED_PREFIX + IMAGENET_BACKBONE: enhanced(
        IMAGENET_BACKBONE, classes=5, note="the papers' modules on the backbone with ImageNet weights here"
    ),
    PLAIN_PREFIX + IMAGENET_BACKBONE: plain(
        IMAGENET_BACKBONE, classes=5, note="what both on this backbone are compared with"
    ),
    MODIFIED_PREFIX + IMAGENET_BACKBONE: modified(
        IMAGENET_BACKBONE, note="dynamic fusion on the backbone with ImageNet weights here"
    ),
    **_of_jia(modified_mobilenet_v3_small, "modified_mobilenet_v3_small", input_size=299, classes=5),
    **_of_jia(modified_resnet18, "modified_resnet18", input_size=256, classes=3),
    **{
        name: _as_it_is(
            build,
            name,
            input_size=INPUT_SIZES.get(name, 299),
            classes=5,
            note=_CORNER if name.endswith("authors_pool") else "",
        )
        for name, build in BASELINES.items()
    },
    "covidnet_like": _as_it_is(covidnet_like, "covidnet_like", input_size=480, classes=3, note=APPROXIMATE),
    "covidnet_ct_like": _as_it_is(
        covidnet_ct_like, "covidnet_ct_like", input_size=512, classes=3, note=APPROXIMATE
    ),
}
