"""`list` and `describe`: read cards, never torch."""

import json
from pathlib import Path

import typer

from models.commands.speech import plain_errors
from models.contract import ModelCard
from models.installation import card_named, installed
from models.model_card import markdown


def show_list(weights: Path | None, *, as_json: bool) -> int:
    """Print the installed models."""
    with plain_errors():
        cards = installed(weights)
    if as_json:
        typer.echo(json.dumps([_summary(card) for card in cards]))
        return 0
    if not cards:
        typer.echo("no models are installed")
    for card in cards:
        macro = card.validation.macro_f1
        figure = f"macro F1 {macro.value:.3f} on held-out groups" if macro else ""
        typer.echo(f"{card.name} {card.version}  {card.kind.value}  {len(card.labels)} labels  {figure}")
    return 0


def show_card(name: str, weights: Path | None, *, as_json: bool) -> int:
    """Print a model's card."""
    with plain_errors():
        card = card_named(name, weights)
    typer.echo(json.dumps(card.model_dump(mode="json")) if as_json else markdown(card))
    return 0


def _summary(card: ModelCard) -> dict[str, object]:
    return {
        "name": card.name,
        "version": card.version,
        "kind": card.kind.value,
        "labels": list(card.labels),
        "network": card.network,
        "parameters": card.parameters,
        "macro_f1": card.validation.macro_f1.value if card.validation.macro_f1 else None,
        "weights_sha256": card.weights_sha256,
    }
