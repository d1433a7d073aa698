"""`routes backtest`: what other rules would have done with the studies that came."""

import json
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicom_node.cli.route_views import decision_as_json, told
from dicom_node.errors import RoutesRefused
from dicom_node.intake.hindsight import backtest
from dicom_node.resources import open_resources
from dicom_node.routing.comparing import Backtest, Effect
from dicom_node.routing.loading import load_routes
from dicom_node.settings import Settings

_WORDS = {
    Effect.GAINED: "+ read or sent on, and was not",
    Effect.LOST: "\N{MINUS SIGN} neither read nor sent on, and was",
    Effect.DESTINATION: "goes to other destinations",
    Effect.MODELS: "read by other models",
    Effect.CONDUCT: "other priority, de-identification or action",
}
_MOST_SHOWN = 50
"""Studies of each kind for people; ``--json`` has all."""


def show_backtest(settings: Settings, file: Path, *, days: float, as_json: bool) -> int:
    """Compare a file with the routes in force; exit code 1 when it is wrong."""
    try:
        document = load_routes(file)
    except RoutesRefused as error:
        typer.echo(str(error), err=True)
        return 1
    bar = Progress(
        TextColumn("studies"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with closing(open_resources(settings)) as resources, bar:
        task = bar.add_task("studies")
        found = backtest(
            resources,
            document,
            period=timedelta(days=days),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        _show(found, days)
    return 0


def summary(found: Backtest) -> str:
    """Return the differences in one line: ``+14 studies, -3, 2 change destination``."""
    parts = [
        f"+{found.counted(Effect.GAINED)} studies",
        f"\N{MINUS SIGN}{found.counted(Effect.LOST)}",
        f"{found.counted(Effect.DESTINATION)} change destination",
    ]
    if found.counted(Effect.MODELS):
        parts.append(f"{found.counted(Effect.MODELS)} change models")
    if found.counted(Effect.CONDUCT):
        parts.append(f"{found.counted(Effect.CONDUCT)} change priority, de-identification or action")
    return ", ".join(parts)


def _show(found: Backtest, days: float) -> None:
    typer.echo(f"{found.studies} studies of the last {days:g} days: {summary(found)}")
    for rule in sorted({*found.taken_before, *found.taken_after}):
        before, after = found.taken_before[rule], found.taken_after[rule]
        typer.echo(f"  rule {rule}: {before} -> {after} studies")
    for effect, words in _WORDS.items():
        changes = [change for change in found.changes if change.effect is effect]
        if not changes:
            continue
        typer.echo(f"{words}:")
        for change in changes[:_MOST_SHOWN]:
            typer.echo(f"  {change.study_instance_uid}")
            typer.echo(f"    before  {told(change.before)}")
            typer.echo(f"    after   {told(change.after)}")
        if len(changes) > _MOST_SHOWN:
            typer.echo(f"  and {len(changes) - _MOST_SHOWN} more: --json has all")


def _as_json(found: Backtest) -> dict[str, object]:
    return {
        "studies": found.studies,
        "summary": summary(found),
        **{effect.value: found.counted(effect) for effect in Effect},
        "rules": {
            rule: {"before": found.taken_before[rule], "after": found.taken_after[rule]}
            for rule in sorted({*found.taken_before, *found.taken_after})
        },
        "changes": [
            {
                "study_instance_uid": change.study_instance_uid,
                "effect": change.effect.value,
                "before": decision_as_json(change.before),
                "after": decision_as_json(change.after),
            }
            for change in found.changes
        ],
    }
