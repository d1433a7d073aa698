"""Networks whose batch norms do something, as after a training."""

from collections.abc import Callable

import pytest
import torch

from models.networks.interface import ChestNetwork
from models.networks.registry import build_network

Build = Callable[[str], ChestNetwork]


@pytest.fixture(scope="session")
def settled() -> Build:
    """Return a function that builds a network of three classes in ``eval``, its vectors drawn at random."""

    def build(name: str) -> ChestNetwork:
        torch.manual_seed(7)
        network = build_network(name, classes=3)
        for key, tensor in network.state_dict().items():
            if key.endswith("running_var") or (key.endswith("weight") and tensor.ndim == 1):
                tensor.uniform_(0.5, 1.5)
            elif key.endswith(("running_mean", "bias")):
                tensor.normal_(0, 0.1)
        return network.eval()

    return build
