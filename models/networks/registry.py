"""Networks by name, with options; the table itself is ``models.networks.entries``."""

from models.errors import UnknownModel
from models.networks.enhanced import EnhancedNetwork
from models.networks.entries import (
    ENHANCED_PREFIX,
    IMAGENET_BACKBONE,
    MODIFIED_PREFIX,
    NETWORKS,
    ON_BACKBONES,
    PLAIN_PREFIX,
    NetworkEntry,
)
from models.networks.interface import ChestNetwork
from models.networks.modified import BackboneFusion
from models.networks.pretrained import load_imagenet
from models.networks.variants import NetworkOptions, name_and_items, with_items

__all__ = [
    "ENHANCED_PREFIX",
    "MODIFIED_PREFIX",
    "NETWORKS",
    "PLAIN_PREFIX",
    "NetworkEntry",
    "build_network",
    "entry_named",
    "options_named",
    "start_from_imagenet",
]


def build_network(name: str, *, classes: int, options: NetworkOptions | None = None) -> ChestNetwork:
    """Return a network with random weights.

    Parameters
    ----------
    name
        One of ``NETWORKS``, or ``dspp_cid_``, ``modified_`` or ``plain_`` before the name of a backbone
        (``models.networks.trunks``): the plug-and-play of both papers. Options may follow:
        ``dspp_cid_resnet18:stages=5+6,join=residual`` (``models.networks.variants``).
    options
        In the place of the network's own and of those in the name.

    Raises
    ------
    UnknownModel
        No network or backbone has that name.
    UnbuildableNetwork
        The backbone does not fit, or the network does not take these options.
    """
    chosen = options_named(name) if options is None else options
    return entry_named(name).build(classes, chosen)


def entry_named(name: str) -> NetworkEntry:
    """Return what is known of a network; options in its name change nothing here.

    Raises
    ------
    UnknownModel
        No network has that name and no prefix of a backbone begins it.
    """
    plain_name, _ = name_and_items(name)
    if plain_name in NETWORKS:
        return NETWORKS[plain_name]
    for prefix, entry in ON_BACKBONES.items():
        if plain_name.startswith(prefix):
            return entry(plain_name.removeprefix(prefix))
    raise UnknownModel(name, tuple(NETWORKS))


def options_named(name: str) -> NetworkOptions:
    """Return the network's own options, changed by those in its name.

    Raises
    ------
    UnknownModel, UnbuildableNetwork
        As ``build_network``.
    """
    _, items = name_and_items(name)
    return with_items(entry_named(name).options, items)


def start_from_imagenet(network: ChestNetwork) -> None:
    """Fill a network's EfficientNet-Lite0 trunk and tail with ImageNet weights.

    Raises
    ------
    WeightsMissing
        The weights' package is not installed, or the trunk is another one.
    UnknownModel
        The network does not stand on a named backbone.
    """
    match network:
        case EnhancedNetwork():
            load_imagenet(network.trunk, network.tail)
        case BackboneFusion():
            load_imagenet(network.trunk, network.last_stage)
        case _:
            raise UnknownModel(type(network).__name__, (f"networks on {IMAGENET_BACKBONE}",))
