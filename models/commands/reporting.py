"""`report`: the page of all installed models."""

from pathlib import Path

import typer

from models.commands.speech import plain_errors
from models.errors import ModelsError
from models.evaluation.models_page import page
from models.installation import installed


class NothingInstalled(ModelsError):
    """There is no model to write about."""


def write_page(out: Path, weights: Path | None) -> int:
    """Write the page, and say where it is."""
    with plain_errors():
        cards = installed(weights)
        if not cards:
            raise NothingInstalled("no models are installed")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(cards), encoding="utf-8")
    typer.echo(f"wrote {out}: {len(cards)} models")
    return 0
