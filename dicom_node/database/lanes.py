"""Lanes of a queue: which jobs may be rung now, so that one Destination holds up no other.

The lane of a delivery job is the name of its Destination; analysis jobs share one lane without a bound,
and those of models in shadow another one that waits for it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.destination_health import troubled
from dicom_node.database.shadow_jobs import others_wait
from dicom_node.database.statements import locked_free
from dicom_node.database.tables import destination_health as health
from dicom_node.database.tables import jobs
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import SHADOW_LANE, JobState, Queue

USUAL_CONCURRENCY = 2
"""Jobs at once in a lane whose bound nobody said."""
_HELD = (JobState.QUEUED.value, JobState.RUNNING.value)


def most_urgent(
    session: Session, queue: Queue, *, limit: int, concurrency: Mapping[str, int], now: datetime
) -> list[JobId]:
    """Return and lock the READY jobs that are due, most urgent first, as far as their lanes have room."""
    found: list[sa.Row[Any]] = []
    for lane, room in _rooms(session, queue, limit, concurrency, now).items():
        found += session.execute(
            locked_free(
                session,
                sa.select(jobs.c.id, jobs.c.priority, jobs.c.created_at)
                .where(
                    jobs.c.queue == queue.value,
                    jobs.c.lane == lane,
                    jobs.c.state == JobState.READY.value,
                    jobs.c.not_before <= now,
                )
                .order_by(jobs.c.priority, jobs.c.created_at)
                .limit(room),
            )
        ).all()
    found.sort(key=lambda row: (row.priority, row.created_at))
    return [JobId(row.id) for row in found[:limit]]


def next_in_lane(session: Session, queue: Queue, lane: str, *, now: datetime) -> JobId | None:
    """Return and lock the most urgent job of the lane that nobody does yet, rung or not; None without one."""
    is_due = sa.and_(jobs.c.state == JobState.READY.value, jobs.c.not_before <= now)
    found = session.execute(
        locked_free(
            session,
            sa.select(jobs.c.id)
            .where(
                jobs.c.queue == queue.value,
                jobs.c.lane == lane,
                sa.or_(is_due, jobs.c.state == JobState.QUEUED.value),
            )
            .order_by(jobs.c.priority, jobs.c.created_at)
            .limit(1),
        )
    ).scalar_one_or_none()
    return None if found is None else JobId(found)


def closed_lane_of(session: Session, job_id: JobId) -> str:
    """Return the lane of the job if something is wrong with its Destination; empty otherwise."""
    troubled_lanes = sa.select(health.c.destination).where(health.c.open_until.is_not(None))
    found = session.execute(
        sa.select(jobs.c.lane).where(jobs.c.id == job_id, jobs.c.lane.in_(troubled_lanes))
    ).scalar_one_or_none()
    return found or ""


def due_at() -> sa.ColumnElement[datetime]:
    """Return the expression for when a job may be rung, given the breaker of its lane (outer joined)."""
    waits = sa.and_(health.c.open_until.is_not(None), health.c.open_until > jobs.c.not_before)
    return sa.case((waits, health.c.open_until), else_=jobs.c.not_before)


def _rooms(
    session: Session, queue: Queue, limit: int, concurrency: Mapping[str, int], now: datetime
) -> dict[str, int]:
    """Return how many more jobs each lane may have rung; lanes without room are left out.

    Several dispatchers at the same moment may together exceed a bound by what the other has just rung.
    """
    held = _number_by_lane(session, queue, _HELD)
    waiting = _number_by_lane(session, queue, (JobState.READY.value,))
    breakers = {one.destination: one for one in troubled(session)}
    rooms = {}
    for lane in waiting:
        bound = concurrency.get(lane, USUAL_CONCURRENCY) if lane else limit + held.get(lane, 0)
        if lane == SHADOW_LANE and others_wait(session):
            bound = 0
        if lane in breakers:
            bound = 1 if breakers[lane].may_be_probed(now) else 0
        rooms[lane] = min(bound - held.get(lane, 0), limit)
    return {lane: room for lane, room in rooms.items() if room > 0}


def _number_by_lane(session: Session, queue: Queue, states: tuple[str, ...]) -> dict[str, int]:
    rows = session.execute(
        sa.select(jobs.c.lane, sa.func.count().label("number"))
        .where(jobs.c.queue == queue.value, jobs.c.state.in_(states))
        .group_by(jobs.c.lane)
    )
    return {row.lane: row.number for row in rows}
