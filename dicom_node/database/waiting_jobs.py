"""Jobs that nobody does, changed from outside: brought forward, called back, revived."""

import uuid
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.job_events import record_jobs
from dicom_node.database.tables import jobs
from dicom_node.domain.audit import Action
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import JobState, Queue
from dicom_node.errors import StateConflict


def hasten(session: Session, queue: Queue, subject_id: uuid.UUID, *, now: datetime) -> None:
    """Let a READY job that waits for its time be due now: what it waited for has happened."""
    session.execute(
        sa.update(jobs)
        .where(
            jobs.c.queue == queue.value,
            jobs.c.subject_id == subject_id,
            jobs.c.state == JobState.READY.value,
            jobs.c.not_before > now,
        )
        .values(not_before=now)
    )


def revive(session: Session, queue: Queue, subject_id: uuid.UUID, *, actor: str, now: datetime) -> None:
    """Move a DEAD job to READY as if it were new, because a person wants it done again.

    Raises
    ------
    StateConflict
        The job is not DEAD.
    """
    row = session.execute(
        sa.update(jobs)
        .where(
            jobs.c.queue == queue.value,
            jobs.c.subject_id == subject_id,
            jobs.c.state == JobState.DEAD.value,
        )
        .values(state=JobState.READY.value, lost_leases=0, not_before=now, done_at=None, error="")
        .returning(jobs.c.id)
    ).first()
    if row is None:
        raise StateConflict(f"the job of {subject_id} is not DEAD")
    record_jobs(session, Action.JOB_REVIVED, [JobId(row.id)], actor, now)


def recall_lane(session: Session, queue: Queue, lane: str, *, reason: str, now: datetime) -> None:
    """Move the QUEUED jobs of a lane back to READY: its breaker has opened."""
    rows = session.execute(
        sa.select(jobs.c.id).where(
            jobs.c.queue == queue.value, jobs.c.lane == lane, jobs.c.state == JobState.QUEUED.value
        )
    )
    take_back_rings(session, [JobId(row.id) for row in rows], reason=reason, now=now)


def unclaimed(session: Session, queue: Queue, *, rung_before: datetime) -> list[JobId]:
    """Return the QUEUED jobs that were rung before a time: a worker has not claimed them since."""
    rows = session.execute(
        sa.select(jobs.c.id).where(
            jobs.c.queue == queue.value,
            jobs.c.state == JobState.QUEUED.value,
            jobs.c.queued_at < rung_before,
        )
    )
    return [JobId(row.id) for row in rows]


def take_back_rings(session: Session, job_ids: Iterable[JobId], *, reason: str, now: datetime) -> None:
    """Move jobs whose ring did not get out back to READY; one that was claimed meanwhile is left alone."""
    rows = session.execute(
        sa.update(jobs)
        .where(jobs.c.id.in_(list(job_ids)), jobs.c.state == JobState.QUEUED.value)
        .values(state=JobState.READY.value)
        .returning(jobs.c.id)
    )
    taken_back = [JobId(row.id) for row in rows]
    record_jobs(session, Action.JOB_REAPED, taken_back, "dispatcher", now, detail={"reason": reason})
