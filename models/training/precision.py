"""bfloat16 autocast that leaves depthwise convolutions in float32.

Their backward pass is three to nine times slower in bfloat16 than in float32 on CPUs (oneDNN has no kernel
for it), which made whole steps slower with autocast than without; everything else gains.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from models.training.recipe import Recipe


def autocast(recipe: Recipe) -> AbstractContextManager[object]:
    """Return the context in which a step's forward pass runs."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if recipe.bfloat16 else nullcontext()


def keep_depthwise_in_float32(network: nn.Module) -> None:
    """Make a network's depthwise convolutions ignore autocast; state and names stay as they are."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            layer.forward = partial(_forward_in_float32, layer.forward)  # type: ignore[method-assign]


def _forward_in_float32(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return forward(x.float()).to(x.dtype)
