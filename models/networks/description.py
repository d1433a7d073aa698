"""A network on one row: what it costs, how it explains itself, what its paper prints."""

from dataclasses import dataclass

import torch

from models.networks.interface import HeatMapKind
from models.networks.papers import PaperFigures
from models.networks.registry import build_network, entry_named, options_named
from models.networks.sizes import NetworkSize, size_of
from models.networks.variants import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDescription:
    """Counted here, beside what its paper prints."""

    name: str
    size: NetworkSize
    input_size: int
    classes: int
    heat_map: HeatMapKind
    serves: bool
    options: dict[str, str]
    paper: PaperFigures | None
    """For the network's own options; none where others are asked for."""
    note: str


def describe_network(name: str) -> NetworkDescription:
    """Return a network's description, built for the classes and the input of its paper.

    Raises
    ------
    UnknownModel, UnbuildableNetwork
        As ``build_network``.
    """
    entry = entry_named(name)
    options = options_named(name)
    with torch.device("meta"):
        network = build_network(name, classes=entry.classes)
    return NetworkDescription(
        name=name,
        size=size_of(network, entry.input_size),
        input_size=entry.input_size,
        classes=entry.classes,
        heat_map=network.heat_map,
        serves=network.serves,
        options=spelled(options),
        paper=entry.paper if options == entry.options else None,
        note=entry.note,
    )
