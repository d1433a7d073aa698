"""Which models are installed, and how they are loaded: digests are checked before anything is read."""

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.chest_gate import ChestGate, GateStatistics
from models.classifiers import RadiographClassifier, SliceClassifier
from models.contract import ImageKind, ModelCard
from models.errors import ManifestInvalid
from models.installation import card_named, installed, shipped_weights, verify, weights_digest
from models.networks.dynamic_fusion import DynamicFusion
from models.networks.registry import build_network

__all__ = [
    "LoadedClassifier",
    "card_named",
    "installed",
    "load",
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
    """
    verify(card)
    tensors = load_file(card.weights)
    network = _network(card, {k: v for k, v in tensors.items() if not k.startswith(GATE_PREFIX)}, device)
    match card.kind:
        case ImageKind.CHEST_RADIOGRAPH:
            if card.gate is None:
                raise ManifestInvalid(card.folder, "a radiograph model needs a chest gate")
            gate = ChestGate(statistics=GateStatistics.from_tensors(tensors), settings=card.gate)
            return RadiographClassifier(card=card, device=device, network=network, gate=gate)
        case ImageKind.CHEST_CT:
            return SliceClassifier(card=card, device=device, network=network)


def _network(card: ModelCard, state: dict[str, Tensor], device: str) -> DynamicFusion:
    network = build_network(card.network, classes=len(card.labels))
    network.load_state_dict(state)
    return network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
