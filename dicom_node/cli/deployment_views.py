"""`deployments list` and `compare`: who takes part how, and what two models say of the same studies."""

import json
import sys
from contextlib import closing
from datetime import timedelta

import typer
from rich.console import Console
from rich.table import Table

from dicom_node.cli.deployment_acts import known_model, told
from dicom_node.database import deployments, model_register
from dicom_node.database.model_register import KnownModel
from dicom_node.database.paired import pairs_of
from dicom_node.domain.deployment import Stage, stages_of
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.paired import Comparison, Latency, Pair, Shift, compared
from dicom_node.domain.text import printable
from dicom_node.resources import open_resources
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.staging import in_force, unserved
from dicom_node.settings import Settings

_WIDTH_OF_A_PIPE = 200
_MOST_DISAGREEING = 50
"""Lines of the table for people; ``--json`` has all."""


def show_deployments(settings: Settings, *, as_json: bool) -> None:
    """Show every known model with the workers that have it, and the stages that stand."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        known = model_register.registered_models(session)
        standing = deployments.standing_stages(session)
        installed = model_register.installed_models(session)
        routes = active_routes(session)[1]
    stages = stages_of(standing)
    uses = in_force(routes, installed, stages)
    problems = unserved(routes, installed, stages)
    if as_json:
        found = {
            "models": [_model_as_json(model) for model in known],
            "stages": [_stage_as_json(stage) for stage in standing],
            "in_force": [
                {"rule": rule, "model": model, "routes": said, "in_force": stands}
                for rule, model, said, stands in uses
            ],
            "unserved": list(problems),
        }
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("model", "version", "weights", "reads", "by its name", "workers")
    for model in known:
        identity = model.identity
        table.add_row(
            identity.name,
            identity.version,
            identity.weights_sha256[:12],
            ", ".join(sorted(model.modalities)),
            "active" if model.active else "-",
            ", ".join(model.workers) or "NONE: nothing is asked of it",
        )
    _print(table)
    by_rule = Table("rule", "model", "routes say", "in force")
    for row in uses:
        by_rule.add_row(*map(printable, row))
    _print(by_rule)
    typer.echo("Stages above the routes, newest last:" if standing else "No stage stands: as the routes say.")
    for stage in standing:
        typer.echo(f"  {_entry(stage)}")
    for problem in problems:
        typer.echo(f"  warning: {printable(problem)}")


def show_log(settings: Settings, *, as_json: bool) -> None:
    """Show every entry that was ever made, oldest first."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        log = deployments.stage_log(session)
    if as_json:
        typer.echo(json.dumps([_stage_as_json(stage) for stage in log], indent=2))
        return
    for stage in log:
        typer.echo(("taken back: " if stage.undoes else "") + _entry(stage))


def show_comparison(
    settings: Settings, models: tuple[str, str], *, rule: str, days: int, as_json: bool
) -> None:
    """Show the paired report of a champion and a challenger."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        champion, challenger = (known_model(session, text).identity for text in models)
        since = resources.database.now(session) - timedelta(days=days) if days else None
        pairs = pairs_of(session, champion, challenger, rule=rule, since=since)
    found = compared(champion, challenger, pairs)
    if as_json:
        typer.echo(json.dumps(_comparison_as_json(found), indent=2))
    else:
        _show(found)


def _show(found: Comparison) -> None:
    typer.echo(f"champion    {found.champion}  {found.champion.weights_sha256}")
    typer.echo(f"challenger  {found.challenger}  {found.challenger.weights_sha256}")
    kappa = "undefined" if found.kappa is None else f"{found.kappa:.3f}"
    typer.echo(
        f"{found.studies} studies closed by both, {found.both_read} read by both;"
        f" {found.agree} with the same verdict, Cohen's kappa {kappa}"
    )
    if not found.studies:
        return
    verdicts = sorted({verdict for cell in found.table for verdict in cell})
    agreement = Table("champion, then challenger", *verdicts)
    for row in verdicts:
        agreement.add_row(row, *(str(found.table.get((row, column), 0)) for column in verdicts))
    _print(agreement)
    _print(_shift_table(found.shifts))
    for name, latency in (("champion", found.champion_latency), ("challenger", found.challenger_latency)):
        typer.echo(f"{name:11} {_latency_text(latency)}")
    for pair in found.disagreeing[:_MOST_DISAGREEING]:
        typer.echo(f"  {pair.study_instance_uid}  {pair.champion.verdict} / {pair.challenger.verdict}")
    if len(found.disagreeing) > _MOST_DISAGREEING:
        typer.echo(f"  and {len(found.disagreeing) - _MOST_DISAGREEING} more: --json has all")
    typer.echo(
        "No truth is known here: a difference says that the models differ, not which of them is right."
    )


def _shift_table(shifts: tuple[Shift, ...]) -> Table:
    table = Table(
        "condition",
        "mean",
        "challenger's",
        "mean |difference|",
        "largest gap (KS)",
        "only champion PRESENT",
        "only challenger",
        "McNemar p",
    )
    for shift in shifts:
        table.add_row(
            shift.condition.value,
            f"{shift.champion_mean:.3f}",
            f"{shift.challenger_mean:.3f}",
            f"{shift.mean_absolute_difference:.3f}",
            f"{shift.largest_gap:.3f}",
            str(shift.only_champion),
            str(shift.only_challenger),
            f"{shift.p_value:.3g}",
        )
    return table


def _latency_text(latency: Latency | None) -> str:
    if latency is None:
        return "no reading times"
    return f"{latency.readings} readings, median {latency.median_s:.2f} s, p95 {latency.p95_s:.2f} s"


def _entry(stage: Stage) -> str:
    return printable(
        f"{stage.changed_at:%Y-%m-%d %H:%M:%S}  {told(stage)}  {stage.changed_by}: {stage.reason}"
    )


def _print(table: Table) -> None:
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    Console(width=width, markup=False, emoji=False, highlight=False).print(table)


def _model_as_json(model: KnownModel) -> dict[str, object]:
    return {
        "name": model.identity.name,
        "version": model.identity.version,
        "weights_sha256": model.identity.weights_sha256,
        "modalities": sorted(model.modalities),
        "active": model.active,
        "workers": list(model.workers),
    }


def _stage_as_json(stage: Stage) -> dict[str, object]:
    return {
        "number": stage.number,
        "act": str(stage.act),
        "undoes": str(stage.undoes) if stage.undoes else None,
        "rule": stage.rule,
        "model": stage.model_name,
        "version": stage.model_version,
        "mode": stage.mode.value if stage.mode else None,
        "share": stage.share,
        "reason": stage.reason,
        "changed_at": stage.changed_at.isoformat(),
        "changed_by": stage.changed_by,
    }


def _comparison_as_json(found: Comparison) -> dict[str, object]:
    return {
        "champion": _identity_as_json(found.champion),
        "challenger": _identity_as_json(found.challenger),
        "studies": found.studies,
        "both_read": found.both_read,
        "agree": found.agree,
        "kappa": found.kappa,
        "table": [
            {"champion": row, "challenger": column, "studies": number}
            for (row, column), number in found.table.items()
        ],
        "conditions": [
            {
                "condition": shift.condition.value,
                "champion_mean": shift.champion_mean,
                "challenger_mean": shift.challenger_mean,
                "mean_absolute_difference": shift.mean_absolute_difference,
                "largest_gap": shift.largest_gap,
                "only_champion_present": shift.only_champion,
                "only_challenger_present": shift.only_challenger,
                "mcnemar_p": shift.p_value,
            }
            for shift in found.shifts
        ],
        "latency_s": {
            "champion": _latency_as_json(found.champion_latency),
            "challenger": _latency_as_json(found.challenger_latency),
        },
        "disagreeing": [_pair_as_json(pair) for pair in found.disagreeing],
    }


def _identity_as_json(identity: ModelIdentity) -> dict[str, object]:
    return {"name": identity.name, "version": identity.version, "weights_sha256": identity.weights_sha256}


def _latency_as_json(latency: Latency | None) -> dict[str, object] | None:
    if latency is None:
        return None
    return {"readings": latency.readings, "median": latency.median_s, "p95": latency.p95_s}


def _pair_as_json(pair: Pair) -> dict[str, object]:
    return {
        "study_instance_uid": pair.study_instance_uid,
        "champion": pair.champion.verdict,
        "challenger": pair.challenger.verdict,
        "reasons": [pair.champion.reason, pair.challenger.reason],
    }
