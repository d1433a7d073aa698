"""``dicom-node models``: measuring what is installed; torch is imported when something is measured."""

from pathlib import Path
from typing import Annotated

import typer

from models.commands.options import DEFAULT_DATA, DEFAULT_RUNS, Data, Json, Name, Runs, Threads, Weights
from models.evaluation.rows import RowChoice

Manifest = Annotated[
    Path | None,
    typer.Option(
        help="CSV with file and label, and if known source, group, part; files lie beside it or in DATA. "
        "The model's own manifest by default."
    ),
]
Rows = Annotated[
    RowChoice | None,
    typer.Option(help="By default the held-out rows of the model's own manifest, all rows of another."),
]
Skip = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave missing or broken pictures out, and say how many.")
]
Out = Annotated[Path | None, typer.Option(help="Write tables (CSV) and curves (PNG) to this folder.")]


def add_measuring(app: typer.Typer) -> None:
    """Add the commands that measure."""
    app.command()(evaluate)
    app.command()(compare)
    app.command()(floor)
    app.command()(report)
    app.command()(gate)


def evaluate(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    manifest: Manifest = None,
    data: Data = DEFAULT_DATA,
    rows: Rows = None,
    predictions: Annotated[Path | None, typer.Option(help="Write a row an image to this CSV.")] = None,
    out: Out = None,
    border: Annotated[
        bool, typer.Option("--border/--no-border", help="Fit the border-only baseline beside the model.")
    ] = True,
    skip_unreadable: Skip = False,
    weights: Weights = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Measure an installed model on a manifest of pictures, by part and source."""
    from models.commands.answering import ReadingOrder
    from models.commands.measuring import Beside, EvaluationOrder, run_evaluation
    from models.evaluation.reading import Unreadable

    order = EvaluationOrder(
        name=name,
        weights=weights,
        reading=ReadingOrder(
            manifest=manifest,
            data=data,
            choice=rows,
            unreadable=Unreadable.SKIP if skip_unreadable else Unreadable.REFUSE,
        ),
        predictions=predictions,
        out=out,
        beside=Beside.BORDER if border else Beside.NOTHING,
    )
    raise typer.Exit(run_evaluation(order, threads=threads, as_json=json))


def compare(  # noqa: PLR0913, PLR0917  the options of a command
    one: Annotated[str, typer.Argument(help="A model, or a CSV that `evaluate --predictions` wrote.")],
    other: Annotated[str, typer.Argument(help="What it is compared with: a model or a CSV.")],
    manifest: Manifest = None,
    data: Data = DEFAULT_DATA,
    rows: Rows = None,
    out: Out = None,
    skip_unreadable: Skip = False,
    weights: Weights = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Tell two models apart on the same rows, with intervals of the paired differences."""
    from models.commands.answering import ReadingOrder
    from models.commands.comparing import ComparisonOrder, run_comparison
    from models.evaluation.reading import Unreadable

    reading = ReadingOrder(
        manifest=manifest,
        data=data,
        choice=rows,
        unreadable=Unreadable.SKIP if skip_unreadable else Unreadable.REFUSE,
    )
    order = ComparisonOrder(one=one, other=other, weights=weights, reading=reading, out=out)
    raise typer.Exit(run_comparison(order, threads=threads, as_json=json))


def floor(
    kind: Annotated[str, typer.Argument(help="cxr or ct.")],
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    out: Out = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Measure a logistic regression on frozen ImageNet features: what every training must beat."""
    from models.commands.floors import FloorOf, FloorOrder, run_floor

    if kind not in list(FloorOf):
        raise typer.BadParameter(f"one of {', '.join(FloorOf)}", param_hint="KIND")
    order = FloorOrder(kind=FloorOf(kind), data=data, runs=runs, out=out)
    raise typer.Exit(run_floor(order, threads=threads, as_json=json))


def report(
    out: Annotated[Path, typer.Option(help="Markdown file to write.")] = Path("docs/models.md"),
    weights: Weights = None,
) -> None:
    """Write the page of all installed models from their cards, with the commands that made the figures."""
    from models.commands.reporting import write_page

    raise typer.Exit(write_page(out, weights))


def gate(
    name: Name,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder of PNG or JPEG to judge; the folders in it name the kinds."),
    ] = None,
    out: Out = None,
    weights: Weights = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Show what a model's chest gate lets through and refuses, and judge pictures with it."""
    from models.commands.gating import GateOrder, run_gate

    order = GateOrder(name=name, pictures=pictures, out=out, weights=weights)
    raise typer.Exit(run_gate(order, threads=threads, as_json=json))
