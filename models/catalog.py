"""Which models are installed, and how they are loaded: digests are checked before anything is read."""

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.chest_gate import ChestGate, GateStatistics
from models.classifiers import RadiographClassifier, SliceClassifier
from models.contract import ImageKind, ModelCard
from models.engines import TorchEngine
from models.errors import ManifestInvalid, MustNotServe
from models.installation import card_named, installed, shipped_weights, verify, weights_digest
from models.networks.interface import ChestNetwork
from models.networks.registry import build_network

__all__ = [
    "LoadedClassifier",
    "card_named",
    "installed",
    "load",
    "load_network",
    "shipped_weights",
    "verify",
    "weights_digest",
]

LoadedClassifier = RadiographClassifier | SliceClassifier
GATE_PREFIX = "gate."


def load(card: ModelCard, device: str = "cpu") -> LoadedClassifier:
    """Load a model once for a process and device (``cpu`` or ``cuda:N``), ready to classify.

    Raises
    ------
    WeightsMissing
        The weights' file is not beside the manifest.
    WeightsCorrupted
        The weights are not the ones that the manifest was written for.
    MustNotServe
        The network is a reproduction that may never answer for a patient.
    """
    verify(card)
    tensors = load_file(card.weights)
    network = _network(card, tensors)
    if not network.serves:
        raise MustNotServe(card.name, card.network)
    engine = TorchEngine(network, device)
    match card.kind:
        case ImageKind.CHEST_RADIOGRAPH:
            if card.gate is None:
                raise ManifestInvalid(card.folder, "a radiograph model needs a chest gate")
            gate = ChestGate(statistics=GateStatistics.from_tensors(tensors), settings=card.gate)
            return RadiographClassifier(card=card, engine=engine, gate=gate)
        case ImageKind.CHEST_CT:
            return SliceClassifier(card=card, engine=engine)


def load_network(card: ModelCard, device: str = "cpu") -> ChestNetwork:
    """Load a model's network alone, for measuring it; also one that must not serve.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        The weights are not those of the manifest.
    """
    verify(card)
    return _network(card, load_file(card.weights)).to(device)


def _network(card: ModelCard, tensors: dict[str, Tensor]) -> ChestNetwork:
    network = build_network(card.network, classes=len(card.labels))
    network.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(GATE_PREFIX)})
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
