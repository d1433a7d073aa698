"""`train` and `export`."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import typer

from models.allocator import keep_freed_memory
from models.commands.speech import plain_errors, progress_bar
from models.experiments.paper_recipes import any_recipe
from models.installation import shipped_weights
from models.training.fit import StepReport
from models.training.recipes import recipe_named
from models.training.session import Length, Run, Workspace, train

PARTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """What to train, from what, and for how long."""

    name: str
    data: Path
    runs: Path
    run: Run
    length: Length
    pretrained: str | None
    """Name of a recipe whose finished training is the start."""


def run_training(order: TrainingOrder, threads: int) -> int:
    """Train, and say where the checkpoint is."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    workspace = Workspace(data=order.data, runs=order.runs)
    with plain_errors(), progress_bar() as advance:
        recipe = any_recipe(order.name)
        pretrained = workspace.checkpoint(any_recipe(order.pretrained)) if order.pretrained else None

        def report(step: StepReport) -> None:
            advance(order.name, int(step.progress * PARTS), PARTS)

        outcome = train(recipe, workspace, report, run=order.run, length=order.length, pretrained=pretrained)
    typer.echo(f"{outcome.value}: {workspace.checkpoint(recipe, order.run)}")
    return 0


def run_export(
    name: str, data: Path, runs: Path, weights: Path | None, *, threads: int, as_json: bool
) -> int:
    """Export, and say where the weights are."""
    from models.training.export import export

    keep_freed_memory()
    torch.set_num_threads(threads)
    with plain_errors(), progress_bar() as advance:
        done = export(
            recipe_named(name), Workspace(data=data, runs=runs), weights or shipped_weights(), advance
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(done.folder), "weights_sha256": done.card.weights_sha256}))
    else:
        typer.echo(f"wrote {done.folder}")
    return 0
