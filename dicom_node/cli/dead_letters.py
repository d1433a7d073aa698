"""`dead-letters`: deliveries that were refused or given up, looked at and sent again."""

from typing import Annotated
from uuid import UUID

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_ID = typer.Argument(help="Of the delivery, as `list` shows it.", show_default=False)

app = typer.Typer(
    help="Deliveries that were refused or given up: look at them, have them sent again.",
    no_args_is_help=True,
)


@app.command("list")
def list_letters(
    destination: Annotated[str, typer.Option(help="Only those to this destination.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    json: Json = False,
) -> None:
    """List dead letters, oldest first, with what the destination said last."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.dead_letter_views import show_letters

    show_letters(settings_of("dead-letters"), destination, limit=limit, as_json=json)


@app.command()
def show(delivery: Annotated[UUID, _ID], json: Json = False) -> None:
    """Show a delivery with each of its instances: what went out, and what was answered."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.dead_letter_views import show_letter

    raise typer.Exit(show_letter(settings_of("dead-letters"), delivery, as_json=json))


@app.command()
def replay(
    delivery: Annotated[UUID | None, _ID] = None,
    destination: Annotated[str, typer.Option(help="All that could not go to this destination.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    json: Json = False,
) -> None:
    """Have dead letters sent again; what the destination has accepted already is not sent twice."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.dead_letter_views import Which, replay_letters

    if (delivery is not None) + bool(destination) + every != 1:
        typer.echo("name one delivery, or --destination, or --all", err=True)
        raise typer.Exit(2)
    which = Which(delivery_id=delivery, destination=destination)
    raise typer.Exit(replay_letters(settings_of("dead-letters"), which, as_json=json))
