"""``dicom-node models``: what is installed, and how it is trained, measured and shipped."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Models: list, describe, verify, train, export, evaluate. Research use only.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Name = Annotated[str, typer.Argument(help="Name of a model, as `list` shows it.")]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Folder of installed weights; the shipped ones by default.")
]
Data = Annotated[
    Path,
    typer.Option(envvar="DICOM_NODE_DATA_DIR", help="Folder of image manifests (cxr.csv, ct.csv)."),
]
Runs = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and decoded pictures.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads within one operation.")]
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DEFAULT_RUNS = Path("runs")


@app.callback()
def models() -> None:
    """Models: list, describe, verify, train, export, evaluate. Research use only."""


@app.command("list")
def list_installed(weights: Weights = None, json: Json = False) -> None:
    """List the installed models."""
    from models.commands.cards import show_list

    raise typer.Exit(show_list(weights, as_json=json))


@app.command()
def describe(name: Name, weights: Weights = None, json: Json = False) -> None:
    """Show a model's card: what it reads, its figures by source and its limits."""
    from models.commands.cards import show_card

    raise typer.Exit(show_card(name, weights, as_json=json))


@app.command()
def verify(weights: Weights = None, json: Json = False) -> None:
    """Check that every installed model's weights are the ones that its manifest was written for."""
    from models.commands.cards import show_verification

    raise typer.Exit(show_verification(weights, as_json=json))


@app.command()
def train(
    name: Name,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data; the recipe's by default.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Anneal to this wall time instead of to epochs.")
    ] = None,
    threads: Threads = 1,
) -> None:
    """Train a recipe, or go on where a training was cut off."""
    from models.commands.learning import TrainingOrder, run_training

    order = TrainingOrder(name=name, data=data, runs=runs, epochs=epochs, budget_minutes=budget_minutes)
    raise typer.Exit(run_training(order, threads))


@app.command()
def export(
    name: Name,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    weights: Weights = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Write a training's weights, manifest and card, with figures measured on the held-out groups."""
    from models.commands.learning import run_export

    raise typer.Exit(run_export(name, data, runs, weights, threads=threads, as_json=json))


@app.command()
def explain(
    name: Name,
    picture: Annotated[
        Path, typer.Argument(help="A chest film as PNG or JPEG, white is dense.", exists=True)
    ],
    out: Annotated[Path, typer.Option(help="Where the heat map is written, as PNG.")] = Path("explained.png"),
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Read one film and draw which places speak for the most probable finding."""
    from models.commands.explaining import run_explanation

    raise typer.Exit(run_explanation(name, picture, out, weights, as_json=json))


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV with file, label, source, group, part; the model's own by default."),
    ] = None,
    data: Data = DEFAULT_DATA,
    rows: Annotated[
        str, typer.Option(help="all, external, or held-out (nothing that was trained on).")
    ] = "held-out",
    predictions: Annotated[Path | None, typer.Option(help="Write a row an image to this CSV.")] = None,
    weights: Weights = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Measure an installed model on a manifest of pictures, by part and source."""
    from models.commands.measuring import EvaluationOrder, run_evaluation

    order = EvaluationOrder(
        name=name, manifest=manifest, data=data, rows=rows, predictions=predictions, weights=weights
    )
    raise typer.Exit(run_evaluation(order, threads=threads, as_json=json))
