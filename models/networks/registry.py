"""Networks by name."""

from collections.abc import Callable

from models.errors import UnknownModel
from models.networks.dynamic_fusion import DynamicFusion, modified_mobilenet_v3_small, modified_resnet18

NETWORKS: dict[str, Callable[[int], DynamicFusion]] = {
    "modified_mobilenet_v3_small": modified_mobilenet_v3_small,
    "modified_resnet18": modified_resnet18,
}


def build_network(name: str, *, classes: int) -> DynamicFusion:
    """Return a network with random weights.

    Raises
    ------
    UnknownModel
        No network has that name.
    """
    try:
        return NETWORKS[name](classes)
    except KeyError:
        raise UnknownModel(name, tuple(NETWORKS)) from None
