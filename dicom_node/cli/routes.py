"""`routes`: the rules that decide what becomes of a study: check, explain, try on the past, activate."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_FILE = typer.Argument(help="TOML file of destinations and rules.", exists=True, dir_okay=False)
_STUDY = typer.Argument(help="Study Instance UID.")

app = typer.Typer(
    help="Rules that decide who reads a study and where results go: check, explain, backtest, activate.",
    no_args_is_help=True,
)


@app.command()
def check(file: Annotated[Path, _FILE]) -> None:
    """Check a file; exit code 1 with the file and line of everything that is wrong."""
    from dicom_node.cli.route_views import check_file

    raise typer.Exit(check_file(file))


@app.command()
def show(json: Json = False) -> None:
    """Show the routes in force, with who put them there and when."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.route_views import show_routes

    raise typer.Exit(show_routes(settings_of("routes"), as_json=json))


@app.command()
def explain(
    study: Annotated[str, _STUDY],
    routes: Annotated[
        Path | None, typer.Option(help="Ask the rules of this file instead.", exists=True, dir_okay=False)
    ] = None,
    json: Json = False,
) -> None:
    """Show for a study every clause of every rule, what was wanted, what was found, and what is decided."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.route_views import show_explanation

    raise typer.Exit(show_explanation(settings_of("routes"), study, routes, as_json=json))


@app.command()
def backtest(
    file: Annotated[Path, _FILE],
    days: Annotated[float, typer.Option(min=0, help="Studies complete within so many days.")] = 30,
    json: Json = False,
) -> None:
    """Say what the rules of a file would have done otherwise with the studies that came."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.route_backtest import show_backtest

    raise typer.Exit(show_backtest(settings_of("routes"), file, days=days, as_json=json))


@app.command()
def activate(file: Annotated[Path, _FILE]) -> None:
    """Put a file in force for every process at once, without a restart; audited."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.route_acts import activate_file

    raise typer.Exit(activate_file(settings_of("routes"), file))


@app.command()
def release(study: Annotated[str, _STUDY]) -> None:
    """Let a study go on that a rule holds; audited."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.route_acts import release_held_study

    release_held_study(settings_of("routes"), study)
