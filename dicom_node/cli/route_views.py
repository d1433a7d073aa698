"""`routes check`, `show` and `explain`: what the rules say, and why they take a study."""

import json
import sys
from contextlib import closing
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from dicom_node.database.rule_sets import newest_rule_set
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import Decision, RuleVerdict
from dicom_node.domain.text import printable
from dicom_node.errors import RoutesRefused
from dicom_node.intake.hindsight import Explanation, explain_study
from dicom_node.resources import open_resources
from dicom_node.routing.loading import load_routes
from dicom_node.settings import Settings

_WIDTH_OF_A_PIPE = 200


def check_file(file: Path) -> int:
    """Say what is wrong with a file, line by line; exit code 1 if anything is."""
    try:
        document = load_routes(file)
    except RoutesRefused as error:
        typer.echo(str(error), err=True)
        return 1
    routes = document.routes
    typer.echo(
        f"{file}: {len(routes.rules)} rules, {len(routes.destinations)} destinations: no problem found"
    )
    return 0


def show_routes(settings: Settings, *, as_json: bool) -> int:
    """Show what is in force; exit code 1 when nothing is yet."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        newest = newest_rule_set(session)
    if newest is None:
        typer.echo(
            "null" if as_json else "no routes are in force: a dispatcher activates them when it starts"
        )
        return 1
    told = {
        "sha256": newest.sha256,
        "source": newest.source,
        "activated_at": newest.activated_at.isoformat(),
        "activated_by": newest.activated_by,
    }
    if as_json:
        typer.echo(json.dumps({**told, "text": newest.text}, indent=2))
        return 0
    for name, value in told.items():
        typer.echo(f"# {name.replace('_', ' '):<12} {value}")
    typer.echo(newest.text.rstrip())
    return 0


def show_explanation(settings: Settings, study: str, file: Path | None, *, as_json: bool) -> int:
    """Show why rules decide as they do for a study; exit code 1 for an unknown study or a wrong file."""
    try:
        document = load_routes(file) if file is not None else None
    except RoutesRefused as error:
        typer.echo(str(error), err=True)
        return 1
    with closing(open_resources(settings)) as resources:
        explanation = explain_study(resources, StudyInstanceUID(study), document)
    if explanation is None:
        typer.echo(f"there is no study {printable(study)}", err=True)
        return 1
    if as_json:
        typer.echo(json.dumps(_as_json(explanation), indent=2))
    else:
        _show(explanation)
    return 0


def told(decision: Decision) -> str:
    """Return a decision in one line."""
    parts = [
        f"{', '.join(decision.rules)}: {decision.action.value}",
        "models " + (", ".join(f"{one.model} {one.mode.value}" for one in decision.models) or "none"),
        "results to " + (", ".join(decision.destinations) or "nobody"),
    ]
    if decision.forward:
        parts.append("originals to " + ", ".join(decision.forward))
    if decision.priority is not None:
        parts.append(f"priority {decision.priority}")
    if decision.deidentify:
        parts.append("de-identified")
    return printable("; ".join(parts))


def decision_as_json(decision: Decision) -> dict[str, object]:
    """Return a decision as plain values."""
    return {
        "rules": list(decision.rules),
        "action": decision.action.value,
        "models": [
            {"name": one.model.name, "version": one.model.version, "mode": one.mode.value}
            for one in decision.models
        ],
        "destinations": list(decision.destinations),
        "forward": list(decision.forward),
        "priority": decision.priority,
        "deidentify": decision.deidentify,
        "left_out": list(decision.left_out),
    }


def _show(explanation: Explanation) -> None:
    table = Table("rule", "clause", "wanted", "found", "holds")
    for verdict in explanation.verdicts:
        table.add_row(printable(verdict.rule), "", "", _series(verdict), _yes(verdict.holds))
        for clause in verdict.clauses:
            found = ", ".join(value or '""' for value in clause.found) or "-"
            table.add_row("", clause.clause, printable(clause.wanted), printable(found), _yes(clause.holds))
        table.add_section()
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    console = Console(width=width, markup=False, emoji=False, highlight=False)  # a tag's value is no markup
    console.print(table)
    typer.echo(f"decides now: {told(explanation.decision)}")
    for reason in explanation.decision.left_out:
        typer.echo(f"  left out: {printable(reason)}")
    stored = explanation.stored
    if stored is None:
        typer.echo("nothing was decided yet: the study is not complete, or older than the rules")
        return
    released = f", released {stored.released_at:%Y-%m-%d %H:%M:%S} UTC" if stored.released_at else ""
    typer.echo(f"decided {stored.decided_at:%Y-%m-%d %H:%M:%S} UTC{released}: {told(stored.decision)}")


def _series(verdict: RuleVerdict) -> str:
    return f"series {printable(verdict.series_instance_uid)}" if verdict.series_instance_uid else ""


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def _as_json(explanation: Explanation) -> dict[str, object]:
    stored = explanation.stored
    return {
        "rules": [
            {
                "rule": verdict.rule,
                "holds": verdict.holds,
                "series_instance_uid": verdict.series_instance_uid,
                "clauses": [
                    {
                        "clause": clause.clause,
                        "wanted": clause.wanted,
                        "found": list(clause.found),
                        "holds": clause.holds,
                    }
                    for clause in verdict.clauses
                ],
            }
            for verdict in explanation.verdicts
        ],
        "decision": decision_as_json(explanation.decision),
        "stored": stored
        and {
            **decision_as_json(stored.decision),
            "rule_set_sha256": stored.rule_set_sha256,
            "decided_at": stored.decided_at.isoformat(),
            "released_at": stored.released_at.isoformat() if stored.released_at else None,
        },
    }
