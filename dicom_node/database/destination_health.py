"""The circuit breaker of every Destination, shared by all workers: who cannot be reached is left alone."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import insert_or_ignore, locked
from dicom_node.database.tables import destination_health as health
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.delivery import DestinationHealth, Patience


def record_failure(
    session: Session, destination: str, *, answer: str, patience: Patience, actor: str, now: datetime
) -> datetime:
    """Open the breaker after a failure of the connection; return until when nothing is tried there.

    Failures of workers that had begun before it opened are one failure.
    """
    insert_or_ignore(session, health, {"destination": destination, "updated_at": now})
    row = session.execute(locked(session, sa.select(health).where(health.c.destination == destination))).one()
    if row.open_until is not None and row.open_until > now:
        already: datetime = row.open_until
        return already
    failures = row.failures + 1
    open_until = now + patience.wait(failures)
    session.execute(
        sa.update(health)
        .where(health.c.destination == destination)
        .values(
            failures=failures,
            open_until=open_until,
            probe_until=None,
            last_answer=answer[:2000],
            updated_at=now,
        )
    )
    detail = {"failures": failures, "open_until": open_until.isoformat(), "answer": answer[:500]}
    _audit(session, Action.DESTINATION_SUSPENDED, destination, actor, now, detail)
    return open_until


def record_contact(session: Session, destination: str, *, actor: str, now: datetime) -> bool:
    """Close the breaker: the Destination answered. Tell whether it was open."""
    row = session.execute(
        sa.update(health)
        .where(health.c.destination == destination, health.c.open_until.is_not(None))
        .values(failures=0, open_until=None, probe_until=None, updated_at=now)
        .returning(health.c.destination)
    ).first()
    if row is not None:
        _audit(session, Action.DESTINATION_RESUMED, destination, actor, now, {})
    return row is not None


def take_probe(session: Session, destination: str, *, within: timedelta, now: datetime) -> bool:
    """Take the right to try a Destination whose breaker has been open long enough; one at a time has it.

    Who does not say within the time what came of it was lost, and another may try.
    """
    row = session.execute(
        sa.update(health)
        .where(
            health.c.destination == destination,
            health.c.open_until <= now,
            sa.or_(health.c.probe_until.is_(None), health.c.probe_until <= now),
        )
        .values(probe_until=now + within)
        .returning(health.c.destination)
    ).first()
    return row is not None


def return_probe(session: Session, destination: str) -> None:
    """Give the right back unused, in the transaction that took it."""
    session.execute(sa.update(health).where(health.c.destination == destination).values(probe_until=None))


def troubled(session: Session) -> list[DestinationHealth]:
    """Return the Destinations whose breaker is open, or waits for a probe, by name."""
    rows = session.execute(
        sa.select(health).where(health.c.open_until.is_not(None)).order_by(health.c.destination)
    )
    return [_health_of(row) for row in rows]


def _health_of(row: sa.Row[Any]) -> DestinationHealth:
    return DestinationHealth(
        destination=row.destination,
        failures=row.failures,
        open_until=row.open_until,
        probe_until=row.probe_until,
        last_answer=row.last_answer,
        updated_at=row.updated_at,
    )


def _audit(
    session: Session,
    action: Action,
    destination: str,
    actor: str,
    now: datetime,
    detail: dict[str, str | int],
) -> None:
    event = AuditEvent(action=action, actor=actor, subject=destination, detail=detail)
    audit_trail.record(session, [event], at=now)
