"""Jobs of models in shadow: they take the time that nobody else wants, and wait for nobody to wait."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.tables import jobs
from dicom_node.database.waiting_jobs import take_back_rings
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import SHADOW_LANE, JobState, Queue


def others_wait(session: Session) -> bool:
    """Tell whether an Analysis that somebody gets the result of waits for a worker."""
    waiting = sa.exists().where(
        jobs.c.queue == Queue.ANALYSIS.value,
        jobs.c.lane != SHADOW_LANE,
        jobs.c.state.in_([JobState.READY.value, JobState.QUEUED.value]),
    )
    return bool(session.execute(sa.select(waiting)).scalar_one())


def gave_way(session: Session, job_id: JobId, *, now: datetime) -> bool:
    """Put a rung shadow job back where another Analysis waits by now; tell whether that was so."""
    lane = session.execute(sa.select(jobs.c.lane).where(jobs.c.id == job_id)).scalar_one_or_none()
    if lane != SHADOW_LANE or not others_wait(session):
        return False
    take_back_rings(session, [job_id], reason="another analysis waits", now=now)
    return True
