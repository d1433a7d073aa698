"""A running mean of the weights, which generalises better than the last step's (Polyak averaging)."""

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential mean of a network's parameters and batch norm statistics; keeps nothing at decay 0."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._mean = {k: v.detach().clone() for k, v in network.state_dict().items()} if decay else {}
        self._steps = 0

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Take one more step into the mean; early steps are forgotten faster."""
        if not self._mean:
            return
        self._steps += 1
        weight = max(1 - self.decay, 1 / (1 + self._steps))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self._mean[name].lerp_(tensor, weight)
            else:
                self._mean[name].copy_(tensor)

    def state(self) -> dict[str, Tensor]:
        """Return the mean, by the names of the network's state."""
        return self._mean

    def load(self, mean: dict[str, Tensor], *, steps: int) -> None:
        """Go on from the mean of so many steps."""
        if self._mean and mean:
            self._mean = {name: tensor.clone() for name, tensor in mean.items()}
            self._steps = steps
