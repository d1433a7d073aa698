"""A finished training with what is measured on it: its two networks, its rows, their answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.datasets.manifest import ImageRow, read_manifest
from models.datasets.pixel_cache import cached_pixels
from models.datasets.split import Split
from models.errors import CheckpointMismatch, NotExportable, TrainingUnfinished
from models.evaluation.answers import Outputs, run_network
from models.networks.interface import ChestNetwork
from models.networks.registry import build_network
from models.training.checkpoint import SavedState, read_state
from models.training.fit import fingerprint
from models.training.recipe import Recipe
from models.training.session import Run, Workspace, recipe_split, rows_of

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What an export works with."""

    recipe: Recipe
    workspace: Workspace
    judged: ChestNetwork
    """Never saw the validation rows: every figure on them is this network's."""
    shipped: ChestNetwork
    """What is stored: the refit where there is one, else the judged network."""
    state: SavedState
    """Of the shipped network's training."""
    rows: tuple[ImageRow, ...]
    split: Split
    advance: Advance

    @property
    def refitted(self) -> bool:
        """Whether the shipped network also saw the validation rows."""
        return self.shipped is not self.judged

    @property
    def fitted(self) -> tuple[ImageRow, ...]:
        """Rows that the shipped network was fitted on."""
        return (*self.split.training, *(self.split.validation if self.refitted else ()))

    def pixels(self, rows: Sequence[ImageRow]) -> npt.NDArray[np.uint8]:
        """Return rows' pictures (n, common, common)."""
        return cached_pixels(
            rows,
            root=self.workspace.data,
            cache=self.workspace.runs / "cache",
            spec=self.recipe.preprocessing,
            advance=lambda i, n: self.advance("decode", i, n),
        )

    def outputs(self, what: str, network: ChestNetwork, rows: Sequence[ImageRow]) -> Outputs:
        """Run a network over rows."""
        spec = self.recipe.preprocessing
        return run_network(network, self.pixels(rows), spec, lambda i, n: self.advance(what, i, n))


def material_of(recipe: Recipe, workspace: Workspace, advance: Advance) -> Material:
    """Read a finished training.

    Raises
    ------
    WeightsMissing
        The recipe was not trained in this workspace.
    TrainingUnfinished
        One of its runs has not come to its end.
    CheckpointMismatch
        The rows that it was fitted on are not those that the recipe splits off today.
    """
    split = recipe_split(recipe, workspace.data)
    state = finished_state(recipe, workspace, Run.HELD_OUT)
    judged = trained_network(recipe, state)
    shipped = judged
    if recipe.refit_from is not None and workspace.checkpoint(recipe, Run.REFIT).exists():
        state = finished_state(recipe, workspace, Run.REFIT)
        shipped = trained_network(recipe, state)
    return Material(
        recipe=recipe,
        workspace=workspace,
        judged=judged,
        shipped=shipped,
        state=state,
        rows=read_manifest(workspace.data / recipe.manifest),
        split=split,
        advance=advance,
    )


def finished_state(recipe: Recipe, workspace: Workspace, run: Run) -> SavedState:
    """Return the end of a run.

    Raises
    ------
    WeightsMissing, TrainingUnfinished, CheckpointMismatch
        There is none, it was cut off, or it is of another recipe or of other rows.
    """
    path = workspace.checkpoint(recipe, run)
    state = read_state(path)
    rows = rows_of(recipe_split(recipe, workspace.data), run)
    if state["fingerprint"] != fingerprint(recipe, rows, state["pretrained"]):
        raise CheckpointMismatch(f"{path} was made by another recipe, split or seed")
    if not state["finished"]:
        raise TrainingUnfinished(path)
    return state


def trained_network(recipe: Recipe, state: SavedState) -> ChestNetwork:
    """Return the network of a checkpoint, with its averaged weights, as it would be stored."""
    network = build_network(recipe.network, classes=len(recipe.labels))
    network.load_state_dict(state["average"] or state["network"])
    network.load_state_dict(stored_tensors(network))  # what is measured is what is stored
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def stored_tensors(network: ChestNetwork) -> dict[str, Tensor]:
    """Return the network's state as it is stored: kernels and matrices in half precision.

    Batch norm's vectors stay float32: with inputs up to 255 their variances leave float16's range.
    """
    return {
        name: (tensor.half() if tensor.ndim > 1 else tensor).detach().contiguous().clone()
        for name, tensor in network.state_dict().items()
    }


def shift_logits(network: ChestNetwork, offsets: Sequence[float]) -> None:
    """Add an offset a label to the bias of a network's last linear layer.

    Raises
    ------
    NotExportable
        The network has no such layer: its logits come from elsewhere.
    """
    last = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == len(offsets) and layer.bias is not None
    ]
    if not last:
        raise NotExportable(f"{type(network).__name__} has no last linear layer to put label offsets into")
    with torch.no_grad():
        last[-1].bias.add_(torch.tensor(offsets))
