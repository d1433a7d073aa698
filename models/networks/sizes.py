"""What a network costs: parameters, megabytes as the papers count them, and multiply-adds."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.networks.interface import ChestNetwork

BYTES = 4  # of a float32
BATCH = 5  # the authors' fusion takes no fewer samples


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSize:
    """Counted: no weight is drawn and no pixel computed."""

    parameters: int
    megabytes: float
    multiply_adds: int
    """Of convolutions and matrix products for one image."""


def size_of(network: ChestNetwork, input_size: int) -> NetworkSize:
    """Return the size of a network that was built on the meta device, where VGG16 costs nothing to run."""
    images = torch.empty(BATCH, 3, input_size, input_size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(images)
    return NetworkSize(
        parameters=count_parameters(network),
        megabytes=size_megabytes(network),
        multiply_adds=counter.get_total_flops() // (2 * BATCH),
    )


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable and frozen parameters, batch norm statistics not among them."""
    return sum(p.numel() for p in network.parameters())


def size_megabytes(network: nn.Module) -> float:
    """Return float32 parameters and batch norm statistics in 10^6 bytes, as the papers count model size."""
    statistics = sum(b.numel() for name, b in network.named_buffers() if "running_" in name)
    return (count_parameters(network) + statistics) * BYTES / 1e6
