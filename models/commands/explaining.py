"""`explain`: pictures with heat maps side by side, with and without the modules, and their numbers."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import typer

from models.commands.speech import Advance, plain_errors, progress_bar
from models.explanation.explainer import (
    Explainer,
    PictureExplained,
    explain_picture,
    load_explainer,
    read_grey,
)
from models.explanation.method import Method
from models.explanation.sheet import SheetRow, draw_sheets
from models.installation import card_named

TABLE = "explained.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOrder:
    """What is to be explained."""

    name: str
    compare: str | None
    """A model that is drawn before it, such as the one without the modules; the same label is explained."""
    pictures: Sequence[Path]
    method: Method
    label: str | None
    out: Path
    weights: Path | None


def run_explanation(order: ExplainOrder, *, as_json: bool) -> int:
    """Read the pictures, draw the sheets, write the table and say what the models answer."""
    torch.set_num_threads(1)
    with plain_errors(), progress_bar() as advance:
        rows = _explained(order, advance)
        order.out.mkdir(parents=True, exist_ok=True)
        sheets = draw_sheets(rows, order.out)
    cells = [_cells(row.picture, each) for row in rows for each in row.explained]
    _write(cells, order.out / TABLE)
    if as_json:
        files = {"sheets": [str(sheet) for sheet in sheets], "table": str(order.out / TABLE)}
        typer.echo(json.dumps({"pictures": cells, **files}))
        return 0
    for row in rows:
        for each in row.explained:
            typer.echo(_as_text(row.picture, each))
    typer.echo(f"drawn: {', '.join(str(sheet) for sheet in sheets)}; numbers: {order.out / TABLE}")
    return 0


def _explained(order: ExplainOrder, advance: Advance) -> list[SheetRow]:
    explainer = load_explainer(card_named(order.name, order.weights), order.method)
    other: Explainer | None = None
    if order.compare is not None:
        other = load_explainer(card_named(order.compare, order.weights), order.method)
    rows: list[SheetRow] = []
    for done, picture in enumerate(order.pictures, start=1):
        rows.append(_row(picture, explainer, other, order.label))
        advance("pictures", done, len(order.pictures))
    return rows


def _row(picture: Path, explainer: Explainer, other: Explainer | None, label: str | None) -> SheetRow:
    pixels = read_grey(picture)
    last = explain_picture(explainer, pixels, label)
    first = (explain_picture(other, pixels, last.label),) if other else ()
    return SheetRow(picture=picture, pixels=pixels, explained=(*first, last))


def _cells(picture: Path, each: PictureExplained) -> dict[str, object]:
    """Return the numbers of one model's answer to one picture, as a flat row."""
    gate = {"gate": each.gate.reason, "gate_passed": each.gate.passed} if each.gate else {}
    return {
        "picture": str(picture),
        "model": each.card.name,
        "version": each.card.version,
        "network": each.card.network,
        "heat_map": each.map_name,
        "explained_label": each.label,
        "logit": each.logit,
        **{f"evidence_{n}": share for n, share in enumerate(each.evidence, start=1)},
        "unplaced": each.unplaced,
        **{f"p_{label}": probability for label, probability in each.probabilities.items()},
        **gate,
    }


def _write(cells: list[dict[str, object]], path: Path) -> None:
    columns = list(dict.fromkeys(key for row in cells for key in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(cells)


def _as_text(picture: Path, each: PictureExplained) -> str:
    ranked = sorted(each.probabilities.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{round(value, 2) + 0.0:+.2f}" for value in each.evidence)  # no minus zero
    lines = [
        f"{picture}, {each.card.name} {each.card.version}",
        *(f"  {probability:.3f} {each.card.title_of(label)}" for label, probability in ranked),
        f"  {each.map_name} for {each.label}: {shares} of logit {each.logit:+.2f} has a place",
    ]
    if each.gate:
        lines.append(f"  gate: {'passed' if each.gate.passed else 'refused'}, {each.gate.reason}")
    return "\n".join(lines)
