"""`evaluate`: an installed model on a manifest of pictures."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import typer

from models.allocator import keep_freed_memory
from models.catalog import load
from models.commands.speech import plain_errors, progress_bar
from models.contract import ModelCard
from models.datasets.manifest import ImageRow, read_manifest
from models.errors import ModelsError
from models.evaluation.manifest_report import (
    ManifestReport,
    RowChoice,
    choose_rows,
    report_on,
    write_predictions,
)
from models.installation import card_named
from models.model_card import scores_table
from models.training.recipe import RECIPES
from models.training.session import recipe_split


class NoRows(ModelsError):
    """The manifest holds no row of the kind asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOrder:
    """What to measure on what."""

    name: str
    manifest: Path | None
    data: Path
    rows: str
    predictions: Path | None
    weights: Path | None


def run_evaluation(order: EvaluationOrder, *, threads: int, as_json: bool) -> int:
    """Measure, print the tables and write the predictions."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    with plain_errors(), progress_bar() as advance:
        card = card_named(order.name, order.weights)
        manifest = order.manifest or order.data / card.training.manifest
        rows = _rows(order, card, read_manifest(manifest))
        report = report_on(load(card), rows, manifest.parent, lambda i, n: advance("reading", i, n))
        if order.predictions:
            write_predictions(report, card, order.predictions)
    typer.echo(json.dumps(_as_dict(report)) if as_json else _as_text(report, card))
    return 0


def _rows(order: EvaluationOrder, card: ModelCard, rows: tuple[ImageRow, ...]) -> tuple[ImageRow, ...]:
    choice = RowChoice(order.rows) if order.rows in list(RowChoice) else None
    if choice is None:
        raise NoRows(f"--rows is one of {', '.join(RowChoice)}, not {order.rows!r}")
    held_out: frozenset[str] = frozenset()
    if choice is RowChoice.HELD_OUT and order.manifest is None and card.name in RECIPES:
        held_out = frozenset(row.file for row in recipe_split(RECIPES[card.name], order.data).validation)
    elif choice is RowChoice.HELD_OUT and order.manifest is not None:
        return rows  # a manifest of one's own was never trained on
    chosen = choose_rows(rows, choice, held_out)
    if not chosen:
        raise NoRows(f"the manifest has no {choice.value} rows")
    return chosen


def _as_dict(report: ManifestReport) -> dict[str, object]:
    return {
        "rows": len(report.rows),
        "parts": {part: scores.model_dump(mode="json") for part, scores in report.overall.items()},
        "by_source": {
            part: {source: scores.model_dump(mode="json") for source, scores in sources.items()}
            for part, sources in report.by_source.items()
        },
        "unknown_labels": report.unknown_labels,
    }


def _as_text(report: ManifestReport, card: ModelCard) -> str:
    lines: list[str] = []
    for part, scores in report.overall.items():
        lines += [f"## part {part}\n", scores_table(card, scores)]
        for source, theirs in report.by_source[part].items():
            lines += [f"### {source}\n", scores_table(card, theirs)]
    lines += [f"{name}: {counts}" for name, counts in report.unknown_labels.items()]
    return "\n".join(lines)
