"""Which models are installed, and how they are loaded: digests are checked before anything is read."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.chest_gate import ChestGate, GateStatistics
from models.classifiers import RadiographClassifier, SliceClassifier
from models.contract import ImageKind, ModelCard, read_card
from models.errors import ManifestInvalid, UnknownModel, WeightsCorrupted, WeightsMissing
from models.networks.dynamic_fusion import DynamicFusion
from models.networks.registry import build_network

LoadedClassifier = RadiographClassifier | SliceClassifier
GATE_PREFIX = "gate."


def installed(weights_dir: Path | None = None) -> tuple[ModelCard, ...]:
    """Return the cards of the installed models, by name and version; by default those shipped in the package.

    Raises
    ------
    ManifestInvalid
        A manifest does not say what it must.
    """
    folder = weights_dir or shipped_weights()
    return tuple(read_card(path) for path in sorted(folder.glob("*/*/manifest.json")))


def card_named(name: str, weights_dir: Path | None = None) -> ModelCard:
    """Return the newest installed card of a name.

    Raises
    ------
    UnknownModel
        No such model is installed.
    """
    cards = installed(weights_dir)
    matching = [card for card in cards if card.name == name]
    if not matching:
        raise UnknownModel(name, tuple(sorted({card.name for card in cards})))
    return max(matching, key=lambda card: tuple(int(part) for part in card.version.split(".")))


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


def verify(card: ModelCard) -> None:
    """Check that the weights are there and are the ones that the manifest was written for.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        They are not.
    """
    if not card.weights.is_file():
        raise WeightsMissing(card.weights)
    found = weights_digest(card.weights)
    if found != card.weights_sha256:
        raise WeightsCorrupted(card.weights, expected=card.weights_sha256, found=found)


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shipped_weights() -> Path:
    """Return the folder of the weights that come with the package."""
    return Path(__file__).parent / "weights"


def _network(card: ModelCard, state: dict[str, Tensor], device: str) -> DynamicFusion:
    network = build_network(card.network, classes=len(card.labels))
    network.load_state_dict(state)
    return network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
