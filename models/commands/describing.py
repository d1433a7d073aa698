"""`describe`: the card of an installed model, or the row of a network; torch only for networks."""

from pathlib import Path

import typer

from models.commands.cards import show_card
from models.commands.speech import plain_errors
from models.installation import installed


def show_description(name: str | None, weights: Path | None, *, all_networks: bool, as_json: bool) -> int:
    """Print an installed model's card, a network's row and options, or a row for every network."""
    if (name is None) != all_networks:
        typer.echo("error: give a name, or --all for every network", err=True)
        return 2
    with plain_errors():
        names = {card.name for card in installed(weights)}
    if name in names:
        return show_card(name, weights, as_json=as_json)
    from models.commands.network_rows import show_every_network, show_network

    if name is None:
        return show_every_network(as_json=as_json)
    return show_network(name, tuple(sorted(names)), as_json=as_json)
