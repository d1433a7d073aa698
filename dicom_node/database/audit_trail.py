"""The audit trail: append, search. Every other module of this package writes here, in its own transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.tables import audit_events
from dicom_node.domain.audit import Action, AuditEvent, RecordedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """What to look for; empty fields match everything."""

    study_instance_uid: str = ""
    patient_id: str = ""
    actor: str = ""
    actions: tuple[Action, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    before_number: int | None = None
    """Continue from here: only events with a smaller number (keyset paging)."""
    limit: int = 100


def record(session: Session, events: Iterable[AuditEvent], *, at: datetime) -> None:
    """Append the events to the trail, in the transaction of the change that they tell of."""
    rows = [
        {
            "at": at,
            "action": event.action.value,
            "actor": event.actor,
            "outcome": event.outcome.value,
            "study_instance_uid": event.study_instance_uid,
            "patient_id": event.patient_id,
            "subject": event.subject,
            "detail": dict(event.detail),
        }
        for event in events
    ]
    if rows:
        session.execute(sa.insert(audit_events), rows)


def search(session: Session, query: AuditQuery) -> list[RecordedEvent]:
    """Return the matching events, newest first."""
    table = audit_events.c
    statement = sa.select(audit_events).order_by(table.id.desc()).limit(query.limit)
    if query.study_instance_uid:
        statement = statement.where(table.study_instance_uid == query.study_instance_uid)
    if query.patient_id:
        statement = statement.where(table.patient_id == query.patient_id)
    if query.actor:
        statement = statement.where(table.actor == query.actor)
    if query.actions:
        statement = statement.where(table.action.in_([action.value for action in query.actions]))
    if query.since is not None:
        statement = statement.where(table.at >= query.since)
    if query.until is not None:
        statement = statement.where(table.at < query.until)
    if query.before_number is not None:
        statement = statement.where(table.id < query.before_number)
    return [_recorded(row) for row in session.execute(statement)]


def _recorded(row: sa.Row[Any]) -> RecordedEvent:
    event = AuditEvent(
        action=Action(row.action),
        actor=row.actor,
        study_instance_uid=row.study_instance_uid,
        patient_id=row.patient_id,
        subject=row.subject,
        detail=row.detail,
    )
    return RecordedEvent(number=row.id, at=row.at, event=event)
