"""Audit events of jobs."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.tables import jobs, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.identifiers import JobId


def record_jobs(
    session: Session,
    action: Action,
    job_ids: Iterable[JobId],
    actor: str,
    now: datetime,
    detail: dict[str, str | int | float | None] | None = None,
) -> None:
    """Enter the same event of each of the jobs, with its study."""
    wanted = list(job_ids)
    if not wanted:
        return
    rows = session.execute(
        sa.select(jobs.c.id, jobs.c.queue, studies.c.study_instance_uid, studies.c.patient_id)
        .join(studies, studies.c.id == jobs.c.study_id)
        .where(jobs.c.id.in_(wanted))
    )
    events = [
        AuditEvent(
            action=action,
            actor=actor,
            study_instance_uid=row.study_instance_uid,
            patient_id=row.patient_id,
            subject=str(row.id),
            detail={"queue": row.queue, **(detail or {})},
        )
        for row in rows
    ]
    audit_trail.record(session, events, at=now)
