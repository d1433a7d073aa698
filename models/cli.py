"""``dicom-node models``: what is installed, and how it is trained, measured and shipped."""

from pathlib import Path
from typing import Annotated

import typer

from models.cli_experiments import add_experiments
from models.cli_measuring import add_measuring
from models.commands.options import DEFAULT_DATA, DEFAULT_RUNS, Data, Json, Name, Runs, Threads, Weights
from models.explanation.method import Method

app = typer.Typer(
    help="Models: list, describe, verify, train, export, evaluate. Research use only.", no_args_is_help=True
)


@app.callback()
def models() -> None:
    """Models: list, describe, verify, train, export, evaluate. Research use only."""


@app.command("list")
def list_installed(weights: Weights = None, json: Json = False) -> None:
    """List the installed models."""
    from models.commands.cards import show_list

    raise typer.Exit(show_list(weights, as_json=json))


@app.command()
def describe(
    name: Annotated[
        str | None,
        typer.Argument(
            help="An installed model, for its card; or a network, options after a colon "
            "(dspp_cid_resnet18:stages=5+6)."
        ),
    ] = None,
    all_networks: Annotated[
        bool, typer.Option("--all", help="A row for every network, beside what its paper prints.")
    ] = False,
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Show a model's card, or a network's size, heat map, options and its paper's figures."""
    from models.commands.describing import show_description

    raise typer.Exit(show_description(name, weights, all_networks=all_networks, as_json=json))


@app.command()
def verify(weights: Weights = None, json: Json = False) -> None:
    """Check every installed model's weights, graph and card, and that it still answers as it did."""
    from models.commands.verifying import show_verification

    raise typer.Exit(show_verification(weights, as_json=json))


@app.command()
def train(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data; the recipe's by default.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Anneal to this wall time instead of to epochs.")
    ] = None,
    pretrain: Annotated[
        str | None, typer.Option(help="Start from the trunk of this recipe's finished training.")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Go on from the fork with the validation rows too.")
    ] = False,
    threads: Threads = 1,
) -> None:
    """Train a recipe, or go on where a training was cut off."""
    from models.commands.learning import TrainingOrder, run_training
    from models.training.session import Length, Run

    order = TrainingOrder(
        name=name,
        data=data,
        runs=runs,
        run=Run.REFIT if refit else Run.HELD_OUT,
        length=Length(epochs=epochs, budget_s=budget_minutes * 60 if budget_minutes else None),
        pretrained=pretrain,
    )
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
def explain(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    pictures: Annotated[
        list[Path],
        typer.Argument(help="Films or windowed CT slices as PNG or JPEG, white is dense.", exists=True),
    ],
    compare: Annotated[
        str | None, typer.Option(help="Draw this model's map too, such as the baseline without modules.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="Own is what is served; cam is refused where a head has none.")
    ] = Method.OWN,
    label: Annotated[
        str | None, typer.Option(help="Explain this label; by default the most probable finding.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the panel (PNG) and the numbers (CSV).")] = DEFAULT_RUNS
    / "explained",
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Draw which places of pictures speak for a finding, with and without the papers' modules."""
    from models.commands.explaining import ExplainOrder, run_explanation

    order = ExplainOrder(
        name=name, compare=compare, pictures=pictures, method=method, label=label, out=out, weights=weights
    )
    raise typer.Exit(run_explanation(order, as_json=json))


add_measuring(app)
add_experiments(app)
