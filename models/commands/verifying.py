"""`verify`: every installed model's weights, graph, card and golden prediction."""

import json
from pathlib import Path

import typer

from models.commands.speech import plain_errors
from models.contract import ModelCard
from models.installation import installed
from models.verification import Verification, verify_whole

HOLDS, NO_PROMISE = "as promised", "none promised"


def show_verification(weights: Path | None, *, as_json: bool) -> int:
    """Print what was found about each installed model; 1 when one has a fault or there is none."""
    with plain_errors():
        found = [verify_whole(card) for card in installed(weights)]
    if as_json:
        typer.echo(json.dumps([_as_dict(one) for one in found]))
    elif not found:
        typer.echo("no models are installed")
    else:
        typer.echo("\n".join(_as_text(one) for one in found))
    return 1 if not found or any(one.fault for one in found) else 0


def _as_dict(one: Verification) -> dict[str, object]:
    return {
        "name": one.card.name,
        "version": one.card.version,
        "fault": one.fault,
        "checks": {what: _told(one, what) for what in one.faults},
    }


def _as_text(one: Verification) -> str:
    lines = [f"{one.card.name} {one.card.version}  {'broken' if one.fault else 'intact'}"]
    lines += [f"  {what:18} {_told(one, what)}" for what in one.faults]
    return "\n".join(lines)


def _told(one: Verification, what: str) -> str:
    return one.faults[what] or (HOLDS if _is_promised(one.card, what) else NO_PROMISE)


def _is_promised(card: ModelCard, what: str) -> bool:
    match what:
        case "graph":
            return card.graph_sha256 is not None
        case "golden prediction":
            return card.golden is not None
        case _:
            return True
