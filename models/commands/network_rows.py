"""Networks as rows of a table: measured here, beside what their papers print."""

import json
import sys
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from models.commands.speech import plain_errors, progress_bar
from models.errors import UnknownModel
from models.networks.description import NetworkDescription, describe_network
from models.networks.papers import PaperFigures
from models.networks.registry import NETWORKS, options_named
from models.networks.variants import taken

COLUMNS = (
    "network",
    "parameters",
    "MB",
    "paper's size",
    "multiply-adds",
    "input",
    "classes",
    "heat map",
    "paper's accuracy",
    "note",
)
RIGHT = {"parameters", "MB", "multiply-adds", "input", "classes"}
UNITS = (
    "Parameters, MB and multiply-adds (of one image) are counted here for the paper's classes and input; "
    "MB are 10^6 bytes of float32 weights and batch norm statistics, as the papers count. "
    "The papers' figures are theirs and were not measured here."
)


def show_every_network(*, as_json: bool) -> int:
    """Print a row for every network: a table on a terminal, Markdown elsewhere."""
    described: list[NetworkDescription] = []
    with plain_errors(), progress_bar() as advance:
        for done, name in enumerate(NETWORKS, start=1):
            described.append(describe_network(name))
            advance("networks", done, len(NETWORKS))
    if as_json:
        typer.echo(json.dumps([_as_dict(each) for each in described]))
    elif sys.stdout.isatty():
        Console().print(_table(described))
    else:
        typer.echo(markdown(described))
    return 0


def show_network(name: str, models: tuple[str, ...], *, as_json: bool) -> int:
    """Print one network's row and its options, with what each may be."""
    with plain_errors():
        try:
            described = describe_network(name)
            choices = taken(options_named(name))
        except UnknownModel as error:
            raise UnknownModel(error.name, (*models, *error.known)) from error
    if as_json:
        typer.echo(json.dumps(_as_dict(described) | {"choices": choices}))
        return 0
    for column, value in zip(COLUMNS, _cells(described), strict=True):
        if value:
            typer.echo(f"{column + ':':18}{value}")
    for key, value in described.options.items():
        typer.echo(f"{'option ' + key + ':':18}{value}  ({choices[key]})")
    return 0


def markdown(described: list[NetworkDescription]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "|".join("---:" if column in RIGHT else "---" for column in COLUMNS) + "|",
        *("| " + " | ".join(_cells(each)) + " |" for each in described),
        f"\n{UNITS}",
    ]
    return "\n".join(lines)


def _table(described: list[NetworkDescription]) -> Table:
    table = Table(caption=UNITS, caption_justify="left")
    for column in COLUMNS:
        table.add_column(
            column,
            justify="right" if column in RIGHT else "left",
            no_wrap=column in RIGHT | {"network"},
        )
    for each in described:
        table.add_row(*_cells(each))
    return table


def _cells(each: NetworkDescription) -> tuple[str, ...]:
    return (
        each.name,
        f"{each.size.parameters:,}",
        f"{each.size.megabytes:.2f}",
        _printed_size(each.paper) if each.paper else "",
        f"{each.size.multiply_adds / 1e6:,.1f} M",
        f"{each.input_size} px",
        str(each.classes),
        each.heat_map.value,
        _printed_accuracy(each.paper) if each.paper else "",
        each.note,
    )


def _printed_size(paper: PaperFigures) -> str:
    if paper.parameters is not None:
        return f"{paper.parameters:,} parameters"
    if paper.megabytes is None:
        return ""
    return f"{paper.megabytes:g} MB" + (
        f", printed as {paper.size_as_printed}" if paper.size_as_printed else ""
    )


def _printed_accuracy(paper: PaperFigures) -> str:
    figures = "; ".join(f"{a.percent:.4g} % {a.on} (Table {a.table})" for a in paper.accuracies)
    return f"{paper.paper}: {figures}"


def _as_dict(each: NetworkDescription) -> dict[str, object]:
    return {
        "name": each.name,
        **asdict(each.size),
        "input_size": each.input_size,
        "classes": each.classes,
        "heat_map": each.heat_map.value,
        "serves": each.serves,
        "options": each.options,
        "paper": asdict(each.paper) if each.paper else None,
        "note": each.note,
    }
