"""`compare`: two models, or two files of predictions, on the same rows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import typer

from models.allocator import keep_freed_memory
from models.commands.answering import ReadingOrder, told
from models.commands.speech import plain_errors, progress_bar
from models.contract import ModelComparison
from models.errors import NotComparable
from models.evaluation.answers import AnsweredRows
from models.evaluation.pairing import compare
from models.evaluation.predictions import read_predictions
from models.evaluation.run_folder import file_name, write_comparison
from models.evaluation.tables import comparison_table, verdict
from models.installation import card_named

SEED = 20261122


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOrder:
    """Which two, on what."""

    one: str
    other: str
    """Names of installed models, or paths of predictions."""
    weights: Path | None
    reading: ReadingOrder
    out: Path | None
    """Folder of a CSV for each part."""


def run_comparison(order: ComparisonOrder, *, threads: int, as_json: bool) -> int:
    """Print the first's figures less the other's, part by part, and what that means."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    with plain_errors(), progress_bar() as advance:
        sides = [_answers(name, order, partial(advance, name)) for name in (order.one, order.other)]
        compared = _by_part(*_same_rows(*sides), name=Path(order.other).stem)
        if order.out:
            for part, found in compared.items():
                write_comparison(found, order.out / f"comparison-{file_name(part)}.csv")
    if as_json:
        typer.echo(json.dumps({part: found.model_dump(mode="json") for part, found in compared.items()}))
    else:
        typer.echo("\n".join(_text(order.one, part, found) for part, found in compared.items()))
    return 0


def _answers(name: str, order: ComparisonOrder, advance: Callable[[int, int], None]) -> AnsweredRows:
    if name.endswith(".csv"):
        return read_predictions(Path(name))
    return told(card_named(name, order.weights), order.reading, advance).answered


def _same_rows(one: AnsweredRows, other: AnsweredRows) -> tuple[AnsweredRows, AnsweredRows]:
    """Return both without the rows that only one answered: each was held out from its own rows."""
    common = {row.file for row in one.rows} & {row.file for row in other.rows}
    if not common:
        raise NotComparable("there is no row that both answered")
    first, second = (side.where([row.file in common for row in side.rows]) for side in (one, other))
    return first, second


def _by_part(one: AnsweredRows, other: AnsweredRows, *, name: str) -> dict[str, ModelComparison]:
    parts = np.array([row.part for row in one.rows])
    found: dict[str, ModelComparison] = {}
    for part in sorted({row.part for row, known in zip(one.rows, one.known, strict=True) if known}):
        mine = one.where(parts == part)
        files = {row.file for row in mine.rows}
        rest = other.where([row.file in files for row in other.rows])
        found[part] = compare(mine, rest, name=name, seed=SEED)
    return found


def _text(one: str, part: str, found: ModelComparison) -> str:
    macro = verdict(found.overall.macro_f1)
    accuracy = verdict(found.overall.accuracy)
    return "\n".join(
        [
            f"## part {part}: {one} less {found.other}\n",
            comparison_table(found),
            f"\nOver all rows: macro F1 {macro}, accuracy {accuracy} (95 % intervals, paired).\n",
        ]
    )
