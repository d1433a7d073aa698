"""One cell of a table: a recipe fitted on some rows and scored on others, once."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file

from models.contract import SetScores
from models.datasets.manifest import ImageRow
from models.datasets.pixel_cache import cached_pixels
from models.errors import CheckpointMismatch
from models.evaluation.answers import AnsweredRows, answered_rows, run_network
from models.evaluation.by_source import scores_by_source
from models.evaluation.metrics import score
from models.evaluation.predictions import write_predictions
from models.networks.interface import ChestNetwork
from models.training.checkpoint import CheckpointFile
from models.training.fit import Extent, StepReport, Trainer, fingerprint
from models.training.recipe import Recipe
from models.training.sampling import TrainingSet
from models.training.session import fresh_network

PARTS = 1000
Advance = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is fitted on what and scored on what."""

    name: str
    recipe: Recipe
    root: Path
    """The rows' files are relative to it."""
    training: tuple[ImageRow, ...]
    """Nothing is fitted where it is empty: the weights that the cell begins with are scored."""
    test: tuple[ImageRow, ...]
    pool: tuple[ImageRow, ...]
    """Every row of the experiment: decoded once for all of its cells."""
    build: Callable[[], ChestNetwork] | None = None
    """Where the network has no name in the registry; ``recipe.network`` then describes it."""
    begins_with: str | None = None
    """Name of the cell whose last weights this one starts from."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides the result, apart from the machine."""
        digest = hashlib.sha256(fingerprint(self.recipe, self.training).encode())
        digest.update(fingerprint(self.recipe, self.test).encode())
        digest.update(f"{self.begins_with}\n{self.root}".encode())
        return digest.hexdigest()

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        if not self.training:
            return 0
        return self.recipe.epochs * max(1, len(self.training) // self.recipe.batch_size)


class CellResult(BaseModel):
    """What a cell came to; one JSON file each."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    fingerprint: str
    network: str
    begins_with: str | None
    epochs: int
    steps: int
    seed: int
    training_rows: int
    training_seconds: float
    scores: SetScores
    by_source: dict[str, SetScores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where cells leave their results and weights, and where decoded pictures are kept."""

    folder: Path
    cache: Path

    def result(self, name: str) -> Path:
        """Return the path of a cell's result."""
        return self.folder / "cells" / f"{name}.json"

    def weights(self, name: str) -> Path:
        """Return the path of a cell's last weights."""
        return self.folder / "cells" / f"{name}.safetensors"

    def checkpoint(self, name: str) -> Path:
        """Return the path of an unfinished cell's state."""
        return self.folder / "cells" / f"{name}.ckpt"


def run_cells(cells: Sequence[Cell], bench: Bench, advance: Advance) -> tuple[CellResult, ...]:
    """Run cells in their order, each once; those that are finished are read back.

    Raises
    ------
    CheckpointMismatch
        A result in the folder is of another recipe, of other rows or of another start.
    """
    for cell in cells:
        _finished(cell, bench)  # refuses before hours are spent
    return tuple(run_cell(cell, bench, advance) for cell in cells)


def run_cell(cell: Cell, bench: Bench, advance: Advance) -> CellResult:
    """Run a cell, go on where it was cut off, or read its result back."""
    known = _finished(cell, bench)
    if known is not None:
        advance(cell.name, PARTS, PARTS)
        return known
    network = _first_weights(cell, bench)
    seconds = _fit(cell, network, bench, advance) if cell.training else 0.0
    network.eval()
    pixels = _pixels(cell, cell.test, bench, advance)
    logits = run_network(network, pixels, cell.recipe.preprocessing).logits
    answered = answered_rows(cell.test, logits, cell.recipe.labels, temperature=1.0)
    result = _scored(cell, answered, seconds)
    write_predictions(answered, bench.result(cell.name).with_suffix(".csv"))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, bench.weights(cell.name))
    _write_whole(bench.result(cell.name), result.model_dump_json(indent=2) + "\n")
    bench.checkpoint(cell.name).unlink(missing_ok=True)
    advance(cell.name, PARTS, PARTS)
    return result


def _finished(cell: Cell, bench: Bench) -> CellResult | None:
    path = bench.result(cell.name)
    if not path.exists():
        return None
    result = CellResult.model_validate_json(path.read_bytes())
    if result.fingerprint != cell.fingerprint:
        raise CheckpointMismatch(
            f"{path} is of another recipe, other rows or another start; give another --out"
        )
    return result


def _first_weights(cell: Cell, bench: Bench) -> ChestNetwork:
    if cell.build is None:
        network = fresh_network(cell.recipe)
    else:
        torch.manual_seed(cell.recipe.seed)
        network = cell.build()
    if cell.begins_with is not None:
        network.load_state_dict(load_file(bench.weights(cell.begins_with)))
    return network.to(memory_format=torch.channels_last)


def _fit(cell: Cell, network: ChestNetwork, bench: Bench, advance: Advance) -> float:
    """Fit in place, and return the seconds it took; the checkpoint stays until the result is written."""
    trainer = Trainer(
        recipe=cell.recipe,
        network=network,
        training=TrainingSet(
            pixels=_pixels(cell, cell.training, bench, advance),
            rows=cell.training,
            labels=cell.recipe.labels,
            partial_labels=cell.recipe.partial_labels,
        ),
        extent=Extent(steps=cell.steps),
        checkpoint=CheckpointFile(bench.checkpoint(cell.name), cell.fingerprint),
    )

    def report(step: StepReport) -> None:
        advance(cell.name, int(step.progress * PARTS), PARTS)

    trainer.run(report)
    network.load_state_dict(trainer.average.state() or trainer.network.state_dict())
    return trainer.elapsed_s


def _pixels(cell: Cell, rows: tuple[ImageRow, ...], bench: Bench, advance: Advance) -> npt.NDArray[np.uint8]:
    everything = cached_pixels(
        cell.pool,
        root=cell.root,
        cache=bench.cache,
        spec=cell.recipe.preprocessing,
        advance=lambda done, of: advance("decoding pictures", done, of),
    )
    place = {row.file: index for index, row in enumerate(cell.pool)}
    return everything[[place[row.file] for row in rows]]


def _scored(cell: Cell, answered: AnsweredRows, seconds: float) -> CellResult:
    recipe = cell.recipe
    return CellResult(
        name=cell.name,
        fingerprint=cell.fingerprint,
        network=recipe.network,
        begins_with=cell.begins_with,
        epochs=recipe.epochs if cell.training else 0,
        steps=cell.steps,
        seed=recipe.seed,
        training_rows=len(cell.training),
        training_seconds=round(seconds, 1),
        scores=score(answered.answers(), seed=recipe.seed),
        by_source=scores_by_source(answered, seed=recipe.seed),
    )


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
