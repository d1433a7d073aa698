"""What runs a network for an answer: torch on a GPU, ONNX Runtime on the CPU. Both give the same numbers."""

from pathlib import Path
from typing import Protocol

import onnxruntime
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
        torch.backends.cudnn.allow_tf32 = False  # a GPU would round convolutions to ten bits
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


class OnnxEngine:
    """A network's graph in ONNX Runtime, on the CPU; the weights are read from the file beside it."""

    def __init__(self, graph: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting costs no CPU time
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(self, images: Tensor) -> Explained:
        """Return logits, pooled features and maps of images (n, 3, rows, columns) in 0..255."""
        found = self.session.run(None, {"images": images.contiguous().numpy()})
        logits, pooled, *maps = (torch.from_numpy(array) for array in found)
        return Explained(logits=logits, pooled=pooled, maps=tuple(maps))
