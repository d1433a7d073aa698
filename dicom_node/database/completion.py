"""When a study is whole: association releases, silence, and the move to COMPLETE."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import locked, locked_free
from dicom_node.database.studies import find_study, lock_study
from dicom_node.database.tables import studies, study_associations
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.study import CompletionReason, QuietPeriods, Study, StudyState
from dicom_node.errors import StateConflict

_DUE = (
    sa.select(studies.c.study_instance_uid)
    .where(studies.c.state == StudyState.RECEIVING.value)
    .order_by(studies.c.priority, studies.c.received_at)
)


def record_release(session: Session, association_id: str, *, quiet: QuietPeriods, now: datetime) -> int:
    """Enter that the sender released the association in good order; return how many studies it brought."""
    rows = session.execute(
        locked(
            session,
            sa.select(studies.c.id, studies.c.modality, studies.c.state)
            .join(study_associations, study_associations.c.study_id == studies.c.id)
            .where(study_associations.c.association_id == association_id)
            .order_by(studies.c.id),
        )
    ).all()
    session.execute(
        sa.update(study_associations)
        .where(study_associations.c.association_id == association_id)
        .values(released_at=now)
    )
    for row in rows:
        if row.state == StudyState.RECEIVING.value:
            complete_after = _complete_after(session, row.id, row.modality, quiet)
            session.execute(
                sa.update(studies)
                .where(studies.c.id == row.id)
                .values(last_released_at=now, complete_after=complete_after)
            )
    return len(rows)


def due_studies(session: Session, *, now: datetime, limit: int = 50) -> list[StudyInstanceUID]:
    """Return the studies that may be closed now, most urgent first."""
    rows = session.execute(_DUE.where(studies.c.complete_after <= now).limit(limit))
    return [StudyInstanceUID(row.study_instance_uid) for row in rows]


def lock_due(
    session: Session, study_instance_uids: Iterable[StudyInstanceUID], *, now: datetime
) -> list[StudyInstanceUID]:
    """Return and lock those of the studies that still may be closed and nobody else is closing."""
    wanted = studies.c.study_instance_uid.in_(list(study_instance_uids))
    rows = session.execute(locked_free(session, _DUE.where(wanted, studies.c.complete_after <= now)))
    return [StudyInstanceUID(row.study_instance_uid) for row in rows]


def next_completion(session: Session) -> datetime | None:
    """Return when the next study may be closed; None when no study is being received."""
    due: datetime | None = session.execute(
        sa.select(sa.func.min(studies.c.complete_after)).where(studies.c.state == StudyState.RECEIVING.value)
    ).scalar_one()
    return due


def complete_study(session: Session, study_instance_uid: StudyInstanceUID, *, now: datetime) -> Study:
    """Move a study from RECEIVING to COMPLETE, with the reason and the audit event.

    Raises
    ------
    StateConflict
        The study is not RECEIVING any more.
    """
    study = lock_study(session, study_instance_uid)
    unreleased = session.execute(
        sa.select(sa.func.count())
        .select_from(study_associations)
        .where(study_associations.c.study_id == study.id, study_associations.c.released_at.is_(None))
    ).scalar_one()
    reason = CompletionReason.SILENCE if unreleased else CompletionReason.ASSOCIATIONS_RELEASED
    moved = session.execute(
        sa.update(studies)
        .where(studies.c.id == study.id, studies.c.state == StudyState.RECEIVING.value)
        .values(state=StudyState.COMPLETE.value, completed_at=now, completion_reason=reason.name)
        .returning(studies.c.id)
    ).first()
    if moved is None:
        raise StateConflict(f"study {study_instance_uid} is {study.state}, not RECEIVING")
    audit_trail.record(
        session,
        [
            AuditEvent(
                action=Action.STUDY_COMPLETED,
                actor="dispatcher",
                study_instance_uid=study_instance_uid,
                patient_id=study.patient_id,
                detail={"reason": reason.value, "instances": study.instance_count},
            )
        ],
        at=now,
    )
    found = find_study(session, study_instance_uid)
    assert found is not None  # noqa: S101 - locked above
    return found


def _complete_after(session: Session, study_id: int, modality: str, quiet: QuietPeriods) -> datetime:
    rows = session.execute(
        sa.select(study_associations.c.last_instance_at, study_associations.c.released_at).where(
            study_associations.c.study_id == study_id
        )
    )
    after_release = quiet.after_release(modality)
    latest: datetime = max(
        row.last_instance_at + quiet.silence if row.released_at is None else row.released_at + after_release
        for row in rows
    )
    return latest
