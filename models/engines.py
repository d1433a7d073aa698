"""What runs a network for an answer: torch on a GPU, ONNX Runtime on the CPU. Both give the same numbers."""

from typing import Protocol

import torch
from torch import Tensor

from models.networks.interface import ChestNetwork, Explained


class Engine(Protocol):
    """Runs a network; its outputs are float32 on the CPU."""

    def run(self, images: Tensor) -> Explained:
        """Return logits, pooled features and maps of images (n, 3, rows, columns) in 0..255."""
        ...


class TorchEngine:
    """A network in torch, on ``cpu`` or ``cuda:N``."""

    def __init__(self, network: ChestNetwork, device: str) -> None:
        self._device = device
        self._network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)

    @torch.no_grad()  # not inference mode: a head may need a gradient for its maps
    def run(self, images: Tensor) -> Explained:
        """Return logits, pooled features and maps of images (n, 3, rows, columns) in 0..255."""
        found = self._network.explained(images.to(self._device).contiguous(memory_format=torch.channels_last))
        return Explained(
            logits=found.logits.float().cpu(),
            pooled=found.pooled.float().cpu(),
            maps=tuple(scale.float().cpu() for scale in found.maps),
        )
