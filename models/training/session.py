"""A training from manifest to checkpoint: rows, split, pixel cache, loop and log."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import torch

from models.datasets.manifest import ImageRow, read_manifest, trainable
from models.datasets.pixel_cache import cached_pixels
from models.datasets.split import Split, split_by_group
from models.errors import CheckpointMismatch
from models.networks.interface import ChestNetwork
from models.networks.registry import build_network, start_from_imagenet
from models.training.checkpoint import CheckpointFile, SavedState, read_state
from models.training.fit import Extent, StepReport, Stop, Trainer, fingerprint
from models.training.recipe import Recipe, Start
from models.training.sampling import TrainingSet

LOG_EVERY = 25


class Run(Enum):
    """The two runs of a recipe that is fitted again with all rows."""

    HELD_OUT = "last"
    """Never sees the validation rows: every figure is this run's."""
    REFIT = "refit"
    """Goes on from the fork with the validation rows too: its weights are shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where pictures come from and where a run keeps its cache, log and checkpoint."""

    data: Path
    runs: Path

    def folder(self, recipe: Recipe) -> Path:
        """Return where a recipe's checkpoints and logs are."""
        return self.runs / recipe.name / recipe.version

    def checkpoint(self, recipe: Recipe, run: Run = Run.HELD_OUT) -> Path:
        """Return the checkpoint's path of one of a recipe's runs."""
        return self.folder(recipe) / f"{run.value}.ckpt"

    def fork(self, recipe: Recipe) -> Path:
        """Return where the state at ``refit_from`` is kept."""
        return self.folder(recipe) / "fork.ckpt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long to train, where not as the recipe says."""

    epochs: int | None = None
    budget_s: float | None = None


def train(
    recipe: Recipe,
    workspace: Workspace,
    report: Callable[[StepReport], None],
    *,
    run: Run = Run.HELD_OUT,
    length: Length | None = None,
    pretrained: Path | None = None,
) -> Stop:
    """Train a recipe, or go on with a training that was cut off; ``log-*.jsonl`` is beside the checkpoint.

    Raises
    ------
    CheckpointMismatch
        A checkpoint there is of another recipe, split or seed; or a refit is asked for and there is no fork.
    """
    split = recipe_split(recipe, workspace.data)
    rows = rows_of(split, run)
    begun = str(pretrained or "")
    fork = CheckpointFile(workspace.fork(recipe), fingerprint(recipe, rows, begun))
    trainer = Trainer(
        recipe=recipe,
        network=fresh_network(recipe, pretrained),
        training=TrainingSet(
            pixels=cached_pixels(
                rows, root=workspace.data, cache=workspace.runs / "cache", spec=recipe.preprocessing
            ),
            rows=rows,
            labels=recipe.labels,
            partial_labels=recipe.partial_labels,
        ),
        extent=_extent(recipe, split, length or Length()),
        checkpoint=CheckpointFile(workspace.checkpoint(recipe, run), fingerprint(recipe, rows, begun)),
        fork=fork if run is Run.HELD_OUT else None,
    )
    if pretrained is not None:
        trainer.start, trainer.pretrained = f"those of {pretrained.parent.parent.name}", begun
    if run is Run.REFIT and trainer.step == 0:
        trainer.take_over(_forked(recipe, workspace, split, begun))
    with _log(workspace.folder(recipe) / f"log-{run.value}.jsonl", report) as keep:
        return trainer.run(keep)


def recipe_split(recipe: Recipe, data: Path) -> Split:
    """Return the grouped split on which a recipe trains and validates; partial labels only train."""
    partial = {label.label for label in recipe.partial_labels}
    rows: tuple[ImageRow, ...] = read_manifest(data / recipe.manifest)
    usable = trainable(rows, (*recipe.labels, *partial), recipe.sources)
    split = split_by_group(usable, validation_share=recipe.validation_share, seed=recipe.seed)
    whole = tuple(row for row in split.validation if row.label not in partial)
    return Split(training=split.training, validation=whole)


def rows_of(split: Split, run: Run) -> tuple[ImageRow, ...]:
    """Return the rows that a run is fitted on."""
    match run:
        case Run.HELD_OUT:
            return split.training
        case Run.REFIT:
            return (*split.training, *split.validation)


def fresh_network(recipe: Recipe, pretrained: Path | None = None) -> ChestNetwork:
    """Return the recipe's network with its seeded first weights, or with those of another training."""
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network, classes=len(recipe.labels))
    if recipe.start is Start.IMAGENET:
        start_from_imagenet(network)
    if pretrained is not None:
        _take_over_trunk(network, pretrained)
    return network


def _take_over_trunk(network: ChestNetwork, pretrained: Path) -> None:
    """Load every tensor of another training that has the same name and shape; the rest stays fresh."""
    state = read_state(pretrained)
    theirs = state["average"] or state["network"]
    own = network.state_dict()
    fitting = {k: v for k, v in theirs.items() if k in own and own[k].shape == v.shape}
    if len(fitting) < len(own) // 2:
        raise CheckpointMismatch(f"{pretrained} was made by another network")
    network.load_state_dict(fitting, strict=False)


def _forked(recipe: Recipe, workspace: Workspace, split: Split, begun: str) -> SavedState:
    fork = CheckpointFile(workspace.fork(recipe), fingerprint(recipe, split.training, begun))
    state = fork.load()
    if state is None:
        raise CheckpointMismatch(f"no fork at {fork.path}: train the recipe up to its refit share first")
    return state


def _extent(recipe: Recipe, split: Split, length: Length) -> Extent:
    steps = (length.epochs or recipe.epochs) * max(1, len(split.training) // recipe.batch_size)
    return Extent(steps=steps, budget_s=length.budget_s)


@contextmanager
def _log(path: Path, report: Callable[[StepReport], None]) -> Iterator[Callable[[StepReport], None]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:

        def keep(step: StepReport) -> None:
            if step.step % LOG_EVERY == 0:
                log.write(json.dumps(asdict(step)) + "\n")
                log.flush()
            report(step)

        yield keep
