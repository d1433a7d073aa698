"""A training from manifest to checkpoint: rows, split, pixel cache, loop and log."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from models.datasets.manifest import ImageRow, read_manifest, trainable
from models.datasets.pixel_cache import cached_pixels
from models.datasets.split import Split, split_by_group
from models.networks.dynamic_fusion import DynamicFusion
from models.networks.registry import build_network
from models.training.checkpoint import CheckpointFile
from models.training.fit import Extent, StepReport, Stop, Trainer, TrainingSet, fingerprint
from models.training.recipe import Recipe

LOG_EVERY = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where pictures come from and where a run keeps its cache, log and checkpoint."""

    data: Path
    runs: Path

    def checkpoint(self, recipe: Recipe) -> Path:
        """Return the checkpoint's path of a recipe."""
        return self.runs / recipe.name / recipe.version / "last.ckpt"


def train(
    recipe: Recipe,
    workspace: Workspace,
    *,
    epochs: int | None = None,
    budget_s: float | None = None,
    report: Callable[[StepReport], None],
) -> Stop:
    """Train a recipe, or go on with a training that was cut off; ``log.jsonl`` is beside the checkpoint."""
    split = recipe_split(recipe, workspace.data)
    pixels = cached_pixels(
        split.training, root=workspace.data, cache=workspace.runs / "cache", spec=recipe.preprocessing
    )
    path = workspace.checkpoint(recipe)
    steps = (epochs or recipe.epochs) * max(1, len(split.training) // recipe.batch_size)
    trainer = Trainer(
        recipe=recipe,
        network=fresh_network(recipe),
        training=TrainingSet(pixels=pixels, rows=split.training, labels=recipe.labels),
        extent=Extent(steps=steps, budget_s=budget_s),
        checkpoint=CheckpointFile(path, fingerprint(recipe, split.training)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "log.jsonl").open("a", encoding="utf-8") as log:

        def keep(step: StepReport) -> None:
            if step.step % LOG_EVERY == 0:
                log.write(json.dumps(asdict(step)) + "\n")
                log.flush()
            report(step)

        return trainer.run(keep)


def recipe_split(recipe: Recipe, data: Path) -> Split:
    """Return the grouped split on which a recipe trains and validates."""
    rows: tuple[ImageRow, ...] = read_manifest(data / recipe.manifest)
    usable = trainable(rows, recipe.labels, recipe.sources)
    return split_by_group(usable, validation_share=recipe.validation_share, seed=recipe.seed)


def fresh_network(recipe: Recipe) -> DynamicFusion:
    """Return the recipe's network with its seeded first weights."""
    torch.manual_seed(recipe.seed)
    return build_network(recipe.network, classes=len(recipe.labels))
