"""How commands speak: results on standard output, progress and errors on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from models.errors import ModelsError

Advance = Callable[[str, int, int], None]


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our own errors into one line on standard error and exit code 1."""
    try:
        yield
    except ModelsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress_bar() -> Iterator[Advance]:
    """Yield a function of (what, done, of) that draws a bar a subject, on a terminal only."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=of)
            progress.update(tasks[what], completed=done, total=of)

        yield advance
