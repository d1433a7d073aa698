"""`destinations`: where things may go, and what each of them answers and takes."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

app = typer.Typer(
    help="Destinations of the routes in force: list them, probe them without sending anything.",
    no_args_is_help=True,
)


@app.command("list")
def list_destinations(json: Json = False) -> None:
    """List the destinations of the routes in force, and whether deliveries there are held back."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.destination_views import show_destinations

    show_destinations(settings_of("destinations"), as_json=json)


@app.command()
def probe(
    name: Annotated[str, typer.Argument(help="Its name in the routes, or AE@host:port.", show_default=False)],
    json: Json = False,
) -> None:
    """Ask a destination what it answers and takes; exit code 1 when deliveries there would fail."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.destination_views import show_probe

    raise typer.Exit(show_probe(settings_of("destinations"), name, as_json=json))
