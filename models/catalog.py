"""Which models are installed, and how they are loaded: digests are checked before anything is read."""

import torch
from safetensors import safe_open
from torch import Tensor

from models.chest_gate import ChestGate, GateStatistics
from models.classifiers import RadiographClassifier, SliceClassifier
from models.contract import ImageKind, ModelCard
from models.engines import Engine, OnnxEngine, TorchEngine
from models.errors import ManifestInvalid, MustNotServe
from models.installation import card_named, installed, shipped_weights, verify, weights_digest
from models.networks.interface import ChestNetwork

__all__ = [
    "LoadedClassifier",
    "card_named",
    "installed",
    "load",
    "load_engine",
    "load_network",
    "shipped_weights",
    "verify",
    "weights_digest",
]

LoadedClassifier = RadiographClassifier | SliceClassifier
GATE_PREFIX = "gate."


def load(card: ModelCard, device: str = "cpu", threads: int = 1) -> LoadedClassifier:
    """Load a model once for a process and device (``cpu`` or ``cuda:N``), ready to classify.

    Parameters
    ----------
    threads
        Within one operation of ONNX Runtime; torch has its own, for the process.

    Raises
    ------
    WeightsMissing
        A file that the manifest speaks of is not beside it.
    WeightsCorrupted
        Weights or graph are not the ones that the manifest was written for.
    MustNotServe
        The network is a reproduction that may never answer for a patient.
    """
    engine = load_engine(card, device, threads)
    match card.kind:
        case ImageKind.CHEST_RADIOGRAPH:
            return RadiographClassifier(card=card, engine=engine, gate=_gate(card))
        case ImageKind.CHEST_CT:
            return SliceClassifier(card=card, engine=engine, gate=_gate(card) if card.gate else None)


def load_engine(card: ModelCard, device: str = "cpu", threads: int = 1) -> Engine:
    """Load what runs a model: ONNX Runtime on the CPU where the card has a graph, torch anywhere else."""
    verify(card)
    if device == "cpu" and card.graph_sha256:
        return OnnxEngine(card.graph, threads)
    network = _network(card)
    if not network.serves:
        raise MustNotServe(card.name, card.network)
    return TorchEngine(network, device)


def load_network(card: ModelCard) -> ChestNetwork:
    """Load a model's network alone, for measuring it; also one that must not serve.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        The weights are not those of the manifest.
    """
    verify(card)
    return _network(card)


def _network(card: ModelCard) -> ChestNetwork:
    # timm and torchvision, which a worker on the CPU never needs and would wait seconds for
    from models.networks.registry import build_network

    network = build_network(card.network, classes=len(card.labels))
    network.load_state_dict(_tensors(card, of_gate=False))
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _gate(card: ModelCard) -> ChestGate:
    if card.gate is None:
        raise ManifestInvalid(card.folder, "a radiograph model needs a chest gate")
    statistics = GateStatistics.from_tensors(_tensors(card, of_gate=True))
    return ChestGate(statistics=statistics, settings=card.gate)


def _tensors(card: ModelCard, *, of_gate: bool) -> dict[str, Tensor]:
    with safe_open(card.weights, framework="pt") as stored:
        names = [name for name in stored.keys() if name.startswith(GATE_PREFIX) == of_gate]  # noqa: SIM118
        return {name: stored.get_tensor(name) for name in names}
