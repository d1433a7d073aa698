"""An installed model's answers: to the rows of a manifest, or as they were recorded when it was exported."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.catalog import load
from models.contract import ModelCard
from models.datasets.manifest import TRAIN, ImageRow
from models.errors import ModelsError
from models.evaluation.answers import AnsweredRows
from models.evaluation.predictions import RECORDED, read_predictions
from models.evaluation.reading import Reader, Unreadable, read_pictures
from models.evaluation.rows import RowChoice, choose_rows, read_rows
from models.experiments.held_out import HeldOutUnknown, held_out_rows

AS_RECORDED = (
    f"Answers as recorded in {RECORDED} by the run that never saw these rows; no picture was read. The "
    "shipped weights went on from that run with the held-out rows too."
)
SEEN = "Rows of part 'train' may be among those that the weights were fitted on: their figures are no test."
NO_GROUPS = "Every picture is a group of its own: where patients have several, the intervals are too narrow."


class NoRows(ModelsError):
    """The manifest holds no row of the kind asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOrder:
    """Which rows a model reads, and from where."""

    manifest: Path | None
    data: Path
    choice: RowChoice | None
    """By default the held-out rows of the model's own manifest, and all rows of another one."""
    unreadable: Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a model answered."""

    card: ModelCard
    answered: AnsweredRows
    small: npt.NDArray[np.float32] | None
    """(n, 32, 32) in [0, 1] of the pictures read; nothing for recorded answers."""
    notes: tuple[str, ...]


def told(card: ModelCard, order: ReadingOrder, advance: Callable[[int, int], None]) -> Told:
    """Return a model's answers to the rows asked for.

    Raises
    ------
    HeldOutUnknown
        Held-out rows are asked for, and neither the split nor a record of it is there.
    NoRows
        The manifest has no such row.
    """
    recorded = card.folder / RECORDED
    if order.manifest is None and order.choice in {None, RowChoice.HELD_OUT} and recorded.is_file():
        return Told(card=card, answered=read_predictions(recorded), small=None, notes=(AS_RECORDED,))
    manifest = order.manifest or order.data / card.training.manifest
    rows, notes = _rows(card, order, manifest)
    reader = Reader(
        network=load(card).engine,
        preprocessing=card.preprocessing,
        labels=card.labels,
        temperature=card.temperature,
        roots=(manifest.parent, order.data),
        unreadable=order.unreadable,
    )
    reading = read_pictures(reader, rows, advance)
    skipped = [f"left out: {fault}" for fault in reading.skipped]
    if skipped:
        skipped.insert(0, f"{len(skipped)} of {len(rows)} pictures could not be read and were left out.")
    if not reading.answered.rows:
        raise NoRows(f"no picture of {manifest} could be read")
    return Told(card=card, answered=reading.answered, small=reading.small, notes=(*notes, *skipped))


def _rows(
    card: ModelCard, order: ReadingOrder, manifest: Path
) -> tuple[tuple[ImageRow, ...], tuple[str, ...]]:
    everything = read_rows(manifest)
    choice = order.choice or (RowChoice.HELD_OUT if order.manifest is None else RowChoice.ALL)
    held_out: frozenset[str] = frozenset()
    if choice is RowChoice.HELD_OUT:
        held_out = frozenset(row.file for row in _held_out(card, manifest))
    chosen = choose_rows(everything, choice, held_out)
    if not chosen:
        raise NoRows(f"{manifest} has no {choice.value} rows")
    notes: list[str] = []
    if choice is RowChoice.ALL and any(row.part == TRAIN for row in chosen):
        notes.append(SEEN)
    if len({row.group for row in chosen}) == len(chosen):
        notes.append(NO_GROUPS)
    return chosen, tuple(notes)


def _held_out(card: ModelCard, manifest: Path) -> tuple[ImageRow, ...]:
    if manifest.name != card.training.manifest:
        raise HeldOutUnknown(card)
    return held_out_rows(card, manifest.parent)
