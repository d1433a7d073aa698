"""Jia et al. Fig. 6: |gradient| of the first eight convolutions, original and modified MobileNetV3-small."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops.misc import SqueezeExcitation

from models.errors import UnusableInput
from models.experiments.published import GRADIENT_MODIFIED, GRADIENT_ORIGINAL, NOT_REPRODUCED
from models.experiments.result_table import ResultTable
from models.networks.baselines import Baseline, mobilenet_v3_small
from models.networks.dynamic_fusion import DynamicFusion
from models.networks.heads import HardSwishHead
from models.networks.interface import ChestNetwork
from models.networks.modified import modified_mobilenet_v3_small

KERNEL_WEIGHTS = 7264
CONVOLUTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The original and the modified network on one trunk."""

    original: Baseline
    modified: DynamicFusion


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientStatistics:
    """|gradient| of the 7264 weights over several batches."""

    network: str
    weights: str
    magnitudes: npt.NDArray[np.float32]
    """(batches, 7264)."""

    @property
    def means(self) -> npt.NDArray[np.float64]:
        """(batches,): mean over the weights."""
        found: npt.NDArray[np.float64] = self.magnitudes.mean(axis=1, dtype=np.float64)
        return found

    @property
    def variances(self) -> npt.NDArray[np.float64]:
        """(batches,): variance over the weights."""
        found: npt.NDArray[np.float64] = self.magnitudes.var(axis=1, dtype=np.float64)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Network input with what it shows."""

    images: Tensor
    """(n, 3, rows, columns) in 0..255."""
    targets: Tensor
    """(n,)."""


def fresh_pair(classes: int, seed: int) -> Pair:
    """Return both networks with one trunk, the 1280-wide last layer included; their heads differ."""
    torch.manual_seed(seed)
    modified = modified_mobilenet_v3_small(classes)
    torch.manual_seed(seed + 1)
    original = mobilenet_v3_small(classes)
    pair = Pair(original=original, modified=modified)
    share_trunk(pair)
    return pair


@torch.no_grad()
def share_trunk(pair: Pair) -> None:
    """Copy the modified network's trunk into the original."""
    for mine, theirs in zip(trunk_layers(pair.original), trunk_layers(pair.modified), strict=True):
        mine.load_state_dict(theirs.state_dict())
    head, vector = pair.original.head, pair.modified.vector
    if isinstance(head, HardSwishHead) and vector is not None:
        head.project.weight.copy_(vector.project.weight.flatten(1))


def trunk_layers(network: ChestNetwork) -> list[nn.Module]:
    """Return the layers that both networks have, from the stem to the 576-wide last map.

    Raises
    ------
    UnusableInput
        The network is neither of the two.
    """
    match network:
        case DynamicFusion():
            return [*network.stages, *network.last_stage.children()]
        case Baseline():
            return list(network.layers.children())
        case _:
            raise UnusableInput(f"{type(network).__name__} has no MobileNetV3-small trunk")


def first_kernels(network: ChestNetwork) -> list[Tensor]:
    """Return the kernels of the first eight convolutions, those of squeeze-and-excitation not counted.

    Raises
    ------
    UnusableInput
        They are not 7264 weights: another trunk.
    """
    kernels: list[Tensor] = []
    for layer in trunk_layers(network):
        inside = {id(m) for se in layer.modules() if isinstance(se, SqueezeExcitation) for m in se.modules()}
        kernels += [m.weight for m in layer.modules() if isinstance(m, nn.Conv2d) and id(m) not in inside]
    first = kernels[:CONVOLUTIONS]
    counted = sum(kernel.numel() for kernel in first)
    if counted != KERNEL_WEIGHTS:
        raise UnusableInput(f"the first eight convolutions have {counted} weights, not {KERNEL_WEIGHTS}")
    return first


def gradient_magnitudes(network: ChestNetwork, batch: Batch) -> npt.NDArray[np.float32]:
    """Return |d mean cross-entropy / d weight| of the 7264 weights in training mode: (7264,)."""
    network.train()
    network.zero_grad(set_to_none=True)
    loss = functional.cross_entropy(network(batch.images), batch.targets)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
    parts = [kernel.grad.abs().flatten() for kernel in first_kernels(network) if kernel.grad is not None]
    return torch.cat(parts).numpy()


def gradient_statistics(
    network: ChestNetwork,
    batches: Sequence[Batch],
    *,
    names: tuple[str, str],
    seed: int,
    advance: Callable[[int, int], None],
) -> GradientStatistics:
    """Return the statistics over batches, without a step; ``names``: the network's and its weights'."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    magnitudes = []
    for index, batch in enumerate(batches):
        network.load_state_dict(state)  # batch norm's running statistics move with every pass
        torch.manual_seed(seed + index)  # dropout
        magnitudes.append(gradient_magnitudes(network, batch))
        advance(index + 1, len(batches))
    return GradientStatistics(network=names[0], weights=names[1], magnitudes=np.stack(magnitudes))


def gradient_table(measured: Sequence[GradientStatistics], rows_a_batch: int) -> ResultTable:
    """Return mean and variance beside the paper's."""
    published = {"original": GRADIENT_ORIGINAL, "modified": GRADIENT_MODIFIED}
    rows = tuple(
        (
            found.network,
            found.weights,
            found.magnitudes.shape[1],
            float(found.means.mean()),
            float(found.means.std(ddof=1)) if len(found.means) > 1 else None,
            float(found.variances.mean()),
            *published.get(found.network, (None, None)),
        )
        for found in measured
    )
    return ResultTable(
        title="|gradient| of the first eight convolutions",
        columns=(
            "network",
            "weights",
            "kernel weights",
            "mean",
            "sd of the mean over batches",
            "variance",
            "published mean",
            "published variance",
        ),
        rows=rows,
        notes=(
            f"{len(measured[0].means)} batches of {rows_a_batch} rows, the same for all; training mode, mean "
            "cross-entropy.",
            "At initialisation both have one trunk, the 1280-wide layer included; heads and branches differ.",
            f"Published: Jia et al. Fig. 6, {NOT_REPRODUCED}; at which step it is taken is not said.",
        ),
    )
