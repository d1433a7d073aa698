"""Where an experiment reads and writes, and how it tells what it found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import typer

from models.allocator import keep_freed_memory
from models.experiments.cells import Bench
from models.experiments.result_table import ResultTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Folders and threads of an experiment."""

    data: Path
    runs: Path
    out: Path | None
    """Run folder; by default ``runs/experiments/<what>``."""
    threads: int

    @property
    def cache(self) -> Path:
        """Return where decoded pictures are."""
        return self.runs / "cache"

    def folder(self, what: str) -> Path:
        """Return the run folder of an experiment."""
        return self.out or self.runs / "experiments" / what

    def bench(self, what: str) -> Bench:
        """Return the run folder with the cache."""
        return Bench(folder=self.folder(what), cache=self.cache)

    def prepare(self) -> None:
        """Set this process up for long computations."""
        keep_freed_memory()
        torch.set_num_threads(self.threads)


def tell(tables: Sequence[ResultTable], folder: Path, *, as_json: bool) -> int:
    """Print tables and where their CSV and PNG are."""
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "tables": [table.as_dict() for table in tables]}))
        return 0
    for table in tables:
        typer.echo(table.as_text() + "\n")
    typer.echo(f"CSV and PNG: {folder}")
    return 0
