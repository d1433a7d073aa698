"""`train` and `export`."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import typer

from models.allocator import keep_freed_memory
from models.commands.speech import plain_errors, progress_bar
from models.installation import shipped_weights
from models.training.export import export
from models.training.fit import StepReport
from models.training.recipe import recipe_named
from models.training.session import Workspace, train

PARTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """What to train, from what, and for how long."""

    name: str
    data: Path
    runs: Path
    epochs: int | None
    budget_minutes: float | None


def run_training(order: TrainingOrder, threads: int) -> int:
    """Train, and say where the checkpoint is."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    workspace = Workspace(data=order.data, runs=order.runs)
    budget_s = order.budget_minutes * 60 if order.budget_minutes else None
    with plain_errors(), progress_bar() as advance:
        recipe = recipe_named(order.name)

        def report(step: StepReport) -> None:
            advance(order.name, int(step.progress * PARTS), PARTS)

        outcome = train(recipe, workspace, epochs=order.epochs, budget_s=budget_s, report=report)
    typer.echo(f"{outcome.value}: {workspace.checkpoint(recipe)}")
    return 0


def run_export(
    name: str, data: Path, runs: Path, weights: Path | None, *, threads: int, as_json: bool
) -> int:
    """Export, and say where the weights are."""
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
