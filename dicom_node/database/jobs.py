"""Jobs: the database is the queue. Claim, renew, settle, give back, reap."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import lanes
from dicom_node.database.destination_health import return_probe, take_probe
from dicom_node.database.job_events import record_jobs
from dicom_node.database.statements import insert_or_ignore, locked_free
from dicom_node.database.tables import destination_health, jobs
from dicom_node.database.waiting_jobs import take_back_rings
from dicom_node.domain.audit import Action
from dicom_node.domain.identifiers import JobId, derived_uuid
from dicom_node.domain.job import JobState, Lease, Queue
from dicom_node.errors import LeaseLost


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapedJob:
    """A job whose ring was lost or whose lease ran out."""

    job_id: JobId
    queue: Queue
    subject_id: uuid.UUID
    was: JobState
    is_now: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Something that is to be done as soon as its turn has come."""

    queue: Queue
    subject_id: uuid.UUID
    study_id: int
    priority: int
    lane: str = ""


def open_job(session: Session, job: NewJob, *, now: datetime) -> JobId:
    """Enter a READY job in the transaction of the fact that makes it due; a second one is the first."""
    job_id = JobId(derived_uuid("job", job.queue.value, str(job.subject_id)))
    insert_or_ignore(
        session,
        jobs,
        {
            "id": job_id,
            "queue": job.queue.value,
            "subject_id": job.subject_id,
            "study_id": job.study_id,
            "lane": job.lane,
            "state": JobState.READY.value,
            "priority": job.priority,
            "not_before": now,
            "created_at": now,
        },
    )
    return job_id


def mark_queued(
    session: Session,
    queue: Queue,
    *,
    window: int,
    now: datetime,
    concurrency: Mapping[str, int] = MappingProxyType({}),
) -> list[JobId]:
    """Move the most urgent READY jobs to QUEUED, so that at most ``window`` are rung and unclaimed.

    A lane has no more jobs rung or running than ``concurrency`` says, and none while its breaker is open.
    The caller commits first and rings then: a ring that is lost costs a delay, never a job.
    """
    waiting = session.execute(
        sa.select(sa.func.count())
        .select_from(jobs)
        .where(jobs.c.queue == queue.value, jobs.c.state == JobState.QUEUED.value)
    ).scalar_one()
    if waiting >= window:
        return []
    job_ids = lanes.most_urgent(session, queue, limit=window - waiting, concurrency=concurrency, now=now)
    if job_ids:
        session.execute(
            sa.update(jobs).where(jobs.c.id.in_(job_ids)).values(state=JobState.QUEUED.value, queued_at=now)
        )
        record_jobs(session, Action.JOB_QUEUED, job_ids, "dispatcher", now)
    return job_ids


def claim(session: Session, job_id: JobId, *, owner: str, lease: timedelta, now: datetime) -> Lease | None:
    """Take the job; None when someone else has it, it waits for its time or is settled: an old message.

    A lease that ran out and was not reaped yet may be taken over; it counts as lost. While the breaker of its
    lane is open no job is taken, and afterwards one at a time.
    """
    closed = lanes.closed_lane_of(session, job_id)
    if closed and not take_probe(session, closed, within=lease, now=now):
        take_back_rings(session, [job_id], reason="the Destination cannot be reached", now=now)
        return None
    token = uuid.uuid4()
    row = session.execute(
        sa.update(jobs)
        .where(
            jobs.c.id == job_id,
            sa.or_(
                jobs.c.state == JobState.QUEUED.value,
                sa.and_(jobs.c.state == JobState.READY.value, jobs.c.not_before <= now),
                sa.and_(jobs.c.state == JobState.RUNNING.value, jobs.c.lease_until < now),
            ),
        )
        .values(
            state=JobState.RUNNING.value,
            attempt=jobs.c.attempt + 1,
            lost_leases=jobs.c.lost_leases + sa.case((jobs.c.state == JobState.RUNNING.value, 1), else_=0),
            owner=owner,
            token=token,
            lease_until=now + lease,
        )
        .returning(jobs.c.queue, jobs.c.lane, jobs.c.attempt, jobs.c.subject_id)
    ).first()
    if row is None:
        if closed:
            return_probe(session, closed)
        return None
    return Lease(
        job_id=job_id,
        queue=Queue(row.queue),
        token=token,
        lane=row.lane,
        attempt=row.attempt,
        lease_until=now + lease,
        subject_id=row.subject_id,
    )


def renew(session: Session, held: Lease, *, lease: timedelta, now: datetime) -> bool:
    """Give a sign of life; False when the lease was lost."""
    return _update_held(session, held, lease_until=now + lease)


def settle(session: Session, held: Lease, *, now: datetime) -> None:
    """Move the job to DONE, in the transaction of what it did.

    Raises
    ------
    LeaseLost
        The fencing token no longer holds the job: the caller's transaction must roll back.
    """
    if not _update_held(session, held, state=JobState.DONE.value, token=None, done_at=now, error=""):
        raise LeaseLost(f"job {held.job_id} is held by another worker")


def give_back(session: Session, held: Lease, *, not_before: datetime, error: str, now: datetime) -> None:
    """Move the job to READY again, not to be claimed before a time; raises :class:`LeaseLost`.

    A worker that can give a job back was not killed by it: earlier lost leases are forgiven, or a delivery
    that waits a day for its PACS would die of five restarts.
    """
    if not _update_held(
        session,
        held,
        state=JobState.READY.value,
        token=None,
        lost_leases=0,
        not_before=not_before,
        error=error[:2000],
    ):
        raise LeaseLost(f"job {held.job_id} is held by another worker")
    record_jobs(
        session,
        Action.JOB_RETRIED,
        [held.job_id],
        "worker",
        now,
        detail={"error": error[:500], "not_before": not_before.isoformat()},
    )


def put_off(session: Session, held: Lease, *, not_before: datetime, until: str, now: datetime) -> None:
    """Move the job to READY for its next step: nothing failed, it waits; raises :class:`LeaseLost`."""
    if not _update_held(
        session,
        held,
        state=JobState.READY.value,
        token=None,
        lost_leases=0,
        not_before=not_before,
        error="",
    ):
        raise LeaseLost(f"job {held.job_id} is held by another worker")
    detail: dict[str, str | int | float | None] = {"until": until, "not_before": not_before.isoformat()}
    record_jobs(session, Action.JOB_PUT_OFF, [held.job_id], "worker", now, detail=detail)


def check_held(session: Session, held: Lease) -> None:
    """Raise :class:`LeaseLost` unless the job is still ours; it stays so until the transaction ends."""
    if not _update_held(session, held, owner=jobs.c.owner):
        raise LeaseLost(f"job {held.job_id} is held by another worker")


def bury(session: Session, held: Lease, *, error: str, now: datetime) -> None:
    """Move the job to DEAD: trying again would give the same answer; raises :class:`LeaseLost`."""
    if not _update_held(
        session, held, state=JobState.DEAD.value, token=None, done_at=now, error=error[:2000]
    ):
        raise LeaseLost(f"job {held.job_id} is held by another worker")
    record_jobs(session, Action.JOB_DEAD, [held.job_id], "worker", now)


def release_owner(session: Session, owner: str, *, now: datetime) -> list[JobId]:
    """End the leases that a predecessor of this worker slot held when it died; call at start.

    The next :func:`reap` takes the jobs back and counts, so that a study that kills every worker ends DEAD.
    """
    rows = session.execute(
        sa.update(jobs)
        .where(jobs.c.state == JobState.RUNNING.value, jobs.c.owner == owner, jobs.c.lease_until >= now)
        .values(token=None, lease_until=now - timedelta(microseconds=1))
        .returning(jobs.c.id)
    )
    job_ids = [JobId(row.id) for row in rows]
    record_jobs(session, Action.JOB_RELEASED, job_ids, f"worker:{owner}"[:64], now)
    return job_ids


def reap(
    session: Session, *, ring_timeout: timedelta, maximum_attempts: int, now: datetime
) -> list[ReapedJob]:
    """Put jobs whose ring was lost or whose lease ran out back to READY; DEAD after too many lost leases."""
    rows = session.execute(
        locked_free(
            session,
            sa.select(
                jobs.c.id, jobs.c.queue, jobs.c.lane, jobs.c.subject_id, jobs.c.state, jobs.c.lost_leases
            ).where(
                sa.or_(
                    sa.and_(jobs.c.state == JobState.QUEUED.value, jobs.c.queued_at < now - ring_timeout),
                    sa.and_(jobs.c.state == JobState.RUNNING.value, jobs.c.lease_until < now),
                )
            ),
        )
    ).all()
    reaped = []
    for row in rows:
        was = JobState(row.state)
        lost = row.lost_leases + (1 if was is JobState.RUNNING else 0)
        if was is JobState.RUNNING and row.lane:  # perhaps it was probing, and nobody else may meanwhile
            return_probe(session, row.lane)
        is_now = JobState.DEAD if was is JobState.RUNNING and lost >= maximum_attempts else JobState.READY
        session.execute(
            sa.update(jobs)
            .where(jobs.c.id == row.id)
            .values(state=is_now.value, token=None, lost_leases=lost, not_before=now)
        )
        record_jobs(
            session,
            Action.JOB_DEAD if is_now is JobState.DEAD else Action.JOB_REAPED,
            [JobId(row.id)],
            "dispatcher",
            now,
            detail={"was": was.value, "lost_leases": lost},
        )
        reaped.append(
            ReapedJob(
                job_id=JobId(row.id),
                queue=Queue(row.queue),
                subject_id=row.subject_id,
                was=was,
                is_now=is_now,
            )
        )
    return reaped


def next_due(session: Session) -> datetime | None:
    """Return when the next READY job may be rung, given the breaker of its lane; None when there is none."""
    return _earliest(session, sa.true())


def next_due_after(session: Session, now: datetime) -> datetime | None:
    """Return the same of the jobs that are not due yet: those that are may wait for room in their lane."""
    return _earliest(session, lanes.due_at() > now)


def oldest_ring(session: Session, queue: Queue) -> datetime | None:
    """Return when the job of the queue was rung that waits longest to be claimed; None when none waits."""
    rung: datetime | None = session.execute(
        sa.select(sa.func.min(jobs.c.queued_at)).where(
            jobs.c.queue == queue.value, jobs.c.state == JobState.QUEUED.value
        )
    ).scalar_one()
    return rung


def counts(session: Session) -> dict[tuple[Queue, JobState], int]:
    """Return how many jobs each queue has in each state."""
    rows = session.execute(
        sa.select(jobs.c.queue, jobs.c.state, sa.func.count().label("number")).group_by(
            jobs.c.queue, jobs.c.state
        )
    )
    return {(Queue(row.queue), JobState(row.state)): row.number for row in rows}


def _earliest(session: Session, which: sa.ColumnElement[bool]) -> datetime | None:
    return session.execute(
        sa.select(sa.func.min(lanes.due_at()))
        .select_from(jobs.outerjoin(destination_health, destination_health.c.destination == jobs.c.lane))
        .where(jobs.c.state == JobState.READY.value, which)
    ).scalar_one()


def _update_held(session: Session, held: Lease, **values: object) -> bool:
    row = session.execute(
        sa.update(jobs)
        .where(
            jobs.c.id == held.job_id,
            jobs.c.token == held.token,
            jobs.c.state == JobState.RUNNING.value,
        )
        .values(**values)
        .returning(jobs.c.id)
    ).first()
    return row is not None
