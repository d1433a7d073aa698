"""`evaluate`: an installed model on a manifest of pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import torch
import typer

from models.allocator import keep_freed_memory
from models.commands.answering import ReadingOrder, Told, told
from models.commands.speech import plain_errors, progress_bar
from models.contract import BorderBaseline, SetScores
from models.errors import PackageMissing
from models.evaluation.manifest_report import (
    Baselines,
    ManifestReport,
    border_baselines_by_part,
    report_on,
)
from models.evaluation.predictions import write_predictions
from models.evaluation.run_folder import as_dict, write_report
from models.evaluation.tables import (
    Titles,
    baselines_table,
    key_figures_table,
    operating_points_table,
    scores_table,
    unknown_labels_list,
)
from models.installation import card_named
from models.model_card import titles_of


class Beside(Enum):
    """What is measured beside the model."""

    BORDER = "the border-only baseline"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOrder:
    """What to measure on what, and where to write it."""

    name: str
    weights: Path | None
    reading: ReadingOrder
    predictions: Path | None
    out: Path | None
    """Run folder of tables and curves."""
    beside: Beside


def run_evaluation(order: EvaluationOrder, *, threads: int, as_json: bool) -> int:
    """Measure, print the tables and write the predictions and the run folder."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    with plain_errors(), progress_bar() as advance:
        answers = told(
            card_named(order.name, order.weights), order.reading, lambda i, n: advance("reading", i, n)
        )
        report = _report(answers, order.beside)
        if order.predictions:
            write_predictions(report.answered, order.predictions)
        if order.out:
            write_report(report, titles_of(answers.card), order.out)
    typer.echo(json.dumps(as_dict(report)) if as_json else as_text(report, titles_of(answers.card)))
    return 0


def as_text(report: ManifestReport, titles: Titles) -> str:
    """Return the report as Markdown."""
    lines = [f"Note: {note}\n" for note in report.notes]
    for part, scores in report.overall.items():
        baselines, sources = report.border_baselines.get(part, ()), report.by_source[part]
        lines += [
            f"## part {part}\n",
            scores_table(titles, scores, _of(None, baselines) or _of(_sole(sources), baselines)),
        ]
        points = report.operating_points[part]
        if points:
            lines += _section(
                "Operating points, as chosen on validation", operating_points_table(titles, points)
            )
        for source, theirs in sources.items() if len(sources) > 1 else ():
            lines += [f"### {source}\n", scores_table(titles, theirs, _of(source, baselines))]
        if baselines:
            lines += _section(f"Border baselines of part {part}", baselines_table(baselines))
    if report.key_figures:
        lines += _section("Key figures", key_figures_table(report.key_figures))
    if report.unknown_labels:
        counted = unknown_labels_list(report.unknown_labels)
        lines += _section("Labels that the model has no class for, by its answer", counted)
    return "\n".join(lines)


def _report(answers: Told, beside: Beside) -> ManifestReport:
    card, notes = answers.card, list(answers.notes)
    baselines: Baselines = {}
    if answers.small is None:
        parts = {row.part for row in answers.answered.rows}
        baselines = dict.fromkeys(parts - {"external"}, card.border_baselines)
    elif beside is Beside.BORDER:
        try:
            baselines = border_baselines_by_part(answers.answered, answers.small, seed=card.training.seed)
        except PackageMissing as error:  # the weights run where scikit-learn is not installed
            notes.append(f"No border baselines: {error}.")
    thresholds = {label: at.threshold for label, at in card.operating_points.items()}
    report = report_on(answers.answered, thresholds=thresholds, baselines=baselines, seed=card.training.seed)
    return replace(report, notes=tuple(notes))


def _of(source: str | None, baselines: tuple[BorderBaseline, ...]) -> BorderBaseline | None:
    return next((one for one in baselines if one.source == source and one.border is not None), None)


def _sole(sources: Mapping[str, SetScores]) -> str | None:
    return next(iter(sources)) if len(sources) == 1 else None


def _section(heading: str, body: str) -> list[str]:
    return [f"### {heading}\n", body, ""]
