"""`status`, `worklist`, `audit` and `report`: looking at the node from the command line."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from rich.console import Console
from rich.table import Table

from dicom_node import audit, triage
from dicom_node.cli.dead_letter_views import delivery_as_json
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.worklist import WorklistQuery
from dicom_node.domain.audit import Action, RecordedEvent
from dicom_node.domain.finding import Analysis, AnalysisState, impression_of
from dicom_node.domain.text import printable
from dicom_node.domain.worklist import WorklistItem
from dicom_node.resources import open_resources, open_unchecked
from dicom_node.results.tree import render_tree
from dicom_node.settings import Settings
from dicom_node.web.health import node_status

_WIDTH_OF_A_PIPE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What a person asked the audit trail for."""

    study: str
    patient: str
    actions: tuple[str, ...]
    actor: str
    since: datetime | None
    until: datetime | None


def show_status(settings: Settings, *, as_json: bool) -> int:
    """Show what runs and what waits; exit code 0 when every process is ready."""
    with closing(open_unchecked(settings)) as resources:
        status = node_status(resources)
    if as_json:
        typer.echo(json.dumps(status.as_json(), indent=2))
    else:
        for line in status.lines():
            typer.echo(line)
    return 0 if status.ready else 1


def show_worklist(settings: Settings, query: WorklistQuery, *, as_json: bool) -> None:
    """Show studies, most urgent first."""
    with closing(open_resources(settings)) as resources:
        items = triage.worklist(resources, query)
    if as_json:
        typer.echo(json.dumps([item_as_json(item) for item in items], indent=2))
        return
    table = Table("prio", "study", "patient", "date", "state", "verdict", "delivery")
    for item in items:
        table.add_row(
            str(item.study.priority),
            item.study.study_instance_uid,
            printable(f"{item.study.patient_name} ({item.study.patient_id})"),
            printable(item.study.study_date),
            item.study.state.value,
            "\n".join(printable(verdict(analysis)) for analysis in item.analyses) or "-",
            "\n".join(f"{d.destination} {d.state.value}" for d in item.deliveries) or "-",
        )
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    Console(width=width, markup=False, emoji=False, highlight=False).print(table)  # a name is no markup
    typer.echo("Research use, unverified: not for diagnosis.")


def show_audit(settings: Settings, wanted: AuditFilter, *, limit: int, as_json: bool) -> int:
    """Show matching events, newest first; exit code 2 for an action that does not exist."""
    try:
        actions = tuple(Action(name) for name in wanted.actions)
    except ValueError as error:
        known = ", ".join(action.value for action in Action)
        typer.echo(f"{error}; actions are: {known}", err=True)
        return 2
    query = AuditQuery(
        study_instance_uid=wanted.study,
        patient_id=wanted.patient,
        actor=wanted.actor,
        actions=actions,
        since=_utc(wanted.since),
        until=_utc(wanted.until),
        limit=limit,
    )
    with closing(open_resources(settings)) as resources:
        events = audit.search(resources, query)
    if as_json:
        typer.echo(json.dumps([event_as_json(event) for event in events], indent=2))
    else:
        for line in _audit_lines(events):
            typer.echo(printable(line))
    return 0


def show_report(path: Path, *, as_json: bool) -> int:
    """Show a report as a tree, or in the DICOM JSON model (PS3.18 F); exit code 1 if it is none."""
    try:
        dataset = dcmread(path)
        lines = render_tree(dataset)
    except (InvalidDicomError, ValueError) as error:
        typer.echo(f"dicom-node: {path} is no structured report ({type(error).__name__})", err=True)
        return 1
    for line in [json.dumps(dataset.to_json_dict(), indent=2)] if as_json else map(printable, lines):
        typer.echo(line)
    return 0


def verdict(analysis: Analysis) -> str:
    """Return what an Analysis said, in one line."""
    if analysis.state is AnalysisState.COMPLETED:
        impression = impression_of(analysis.findings)
        if impression is None:
            top = analysis.findings[0]
            return f"undetermined (most probable: {top.condition.title}, {top.probability:.0%})"
        return f"{impression.condition.title} {impression.probability:.0%}"
    if analysis.state is AnalysisState.NOT_APPLICABLE:
        return f"not analysed: {analysis.reason}"
    return f"{analysis.state.value.lower()} {analysis.reason}".strip()


def item_as_json(item: WorklistItem) -> dict[str, object]:
    """Return a worklist item as plain values."""
    study = item.study
    return {
        "study_instance_uid": study.study_instance_uid,
        "priority": study.priority,
        "state": study.state.value,
        "modality": study.modality,
        "patient_id": study.patient_id,
        "patient_name": study.patient_name,
        "accession_number": study.accession_number,
        "study_date": study.study_date,
        "study_description": study.study_description,
        "instances": study.instance_count,
        "late_instances": study.late_instance_count,
        "received_at": _text(study.received_at),
        "released_at": _text(study.last_released_at),
        "completed_at": _text(study.completed_at),
        "completion_reason": study.completion_reason.value if study.completion_reason else None,
        "analyses": [_analysis_as_json(analysis) for analysis in item.analyses],
        "shadow_analyses": [_analysis_as_json(analysis) for analysis in item.shadows],
        "deliveries": [delivery_as_json(delivery) for delivery in item.deliveries],
    }


def event_as_json(recorded: RecordedEvent) -> dict[str, object]:
    """Return an audit event as plain values."""
    event = recorded.event
    return {
        "number": recorded.number,
        "at": recorded.at.isoformat(),
        "action": event.action.value,
        "actor": event.actor,
        "outcome": event.outcome.name.lower(),
        "study_instance_uid": event.study_instance_uid,
        "patient_id": event.patient_id,
        "subject": event.subject,
        "detail": dict(event.detail),
    }


def _analysis_as_json(analysis: Analysis) -> dict[str, object]:
    return {
        "analysis_id": str(analysis.analysis_id),
        "model": {"name": analysis.model.name, "version": analysis.model.version},
        "revision": analysis.revision,
        "mode": analysis.mode.value,
        "state": analysis.state.value,
        "reason": analysis.reason,
        "verdict": verdict(analysis),
        "impression": _impression(analysis),
        "completed_at": _text(analysis.completed_at),
        "findings": [
            {
                "condition": finding.condition.value,
                "title": finding.condition.title,
                "probability": finding.probability,
                "operating_point": finding.operating_point,
                "presence": finding.presence.value,
            }
            for finding in analysis.findings
        ],
    }


def _impression(analysis: Analysis) -> dict[str, object] | None:
    impression = impression_of(analysis.findings)
    if impression is None:
        return None
    return {
        "condition": impression.condition.value,
        "title": impression.condition.title,
        "probability": impression.probability,
    }


def _audit_lines(events: Iterable[RecordedEvent]) -> Iterator[str]:
    """One line an event, in columns: to be read, and to be searched with grep."""
    for recorded in events:
        event = recorded.event
        yield "  ".join(
            [
                recorded.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
                f"{event.action.value:24}",
                f"{event.actor:20}",
                f"{event.outcome.name.lower():15}",
                event.subject or event.study_instance_uid or "-",
                ", ".join(f"{name}: {value}" for name, value in event.detail.items()),
            ]
        ).rstrip()


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
