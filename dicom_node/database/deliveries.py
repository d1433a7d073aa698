"""Deliveries: an Analysis' instances on their way to a Destination, and when a study is done."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail, jobs
from dicom_node.database.statements import insert_or_ignore, locked
from dicom_node.database.tables import analyses, deliveries, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.delivery import Delivery, DeliveryContent, DeliveryState, Proof
from dicom_node.domain.finding import AnalysisState
from dicom_node.domain.identifiers import AnalysisId, DeliveryId, StudyInstanceUID, derived_uuid
from dicom_node.domain.job import Lease, Queue
from dicom_node.domain.study import StudyState
from dicom_node.errors import StateConflict

_OPEN_ANALYSES = (AnalysisState.REQUESTED.value, AnalysisState.RUNNING.value)


def request_delivery(
    session: Session, analysis_id: AnalysisId, destination: str, *, priority: int, now: datetime
) -> DeliveryId:
    """Enter a Delivery and its job; the same Analysis and Destination again is the same Delivery."""
    delivery_id = DeliveryId(derived_uuid("delivery", str(analysis_id), destination))
    study_id = session.execute(
        sa.select(analyses.c.study_id).where(analyses.c.id == analysis_id)
    ).scalar_one()
    is_new = insert_or_ignore(
        session,
        deliveries,
        {
            "id": delivery_id,
            "study_id": study_id,
            "analysis_id": analysis_id,
            "destination": destination,
            "state": DeliveryState.PENDING.value,
            "created_at": now,
        },
    )
    if is_new:
        jobs.open_job(session, Queue.DELIVERY, delivery_id, study_id=study_id, priority=priority, now=now)
        _audit(session, Action.DELIVERY_REQUESTED, delivery_id, "worker", now)
    return delivery_id


def find_delivery(session: Session, delivery_id: DeliveryId) -> Delivery:
    """Return the Delivery; raises ``NoResultFound`` when there is none."""
    return _delivery_of(session.execute(_SELECT.where(deliveries.c.id == delivery_id)).one())


def deliveries_of(session: Session, analysis_ids: Iterable[AnalysisId]) -> list[Delivery]:
    """Return the Deliveries of the Analyses, by Destination."""
    rows = session.execute(
        _SELECT.where(deliveries.c.analysis_id.in_(list(analysis_ids))).order_by(deliveries.c.destination)
    )
    return [_delivery_of(row) for row in rows]


def start_delivery(session: Session, held: Lease, *, actor: str, now: datetime) -> Delivery:
    """Count the attempt of a claimed delivery job, with its audit event, and return the Delivery."""
    delivery_id = DeliveryId(held.subject_id)
    session.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id).values(attempts=deliveries.c.attempts + 1)
    )
    _audit(session, Action.DELIVERY_STARTED, delivery_id, actor, now)
    return find_delivery(session, delivery_id)


def settle_delivered(session: Session, held: Lease, *, answer: str, actor: str, now: datetime) -> None:
    """Enter that the Destination accepted every instance.

    Raises
    ------
    LeaseLost
        Another worker holds the job by now; nothing is entered.
    """
    jobs.settle(session, held, now=now)
    _close(session, held, DeliveryState.DELIVERED, answer, actor=actor, now=now)


def settle_refused(session: Session, held: Lease, *, answer: str, actor: str, now: datetime) -> None:
    """Enter that the Destination refused for good; raises :class:`~dicom_node.errors.LeaseLost`."""
    jobs.bury(session, held, error=answer, now=now)
    _close(session, held, DeliveryState.REFUSED, answer, actor=actor, now=now)


def settle_exhausted(session: Session, held: Lease, *, answer: str, actor: str, now: datetime) -> None:
    """Enter that the Delivery never got through in its time; raises LeaseLost."""
    jobs.bury(session, held, error=answer, now=now)
    _close(session, held, DeliveryState.EXHAUSTED, answer, actor=actor, now=now)


def exhaust_dead_delivery(session: Session, delivery_id: DeliveryId, *, reason: str, now: datetime) -> None:
    """Enter that a Delivery whose job is DEAD will not be tried again."""
    _move(session, delivery_id, DeliveryState.EXHAUSTED, last_answer=reason)
    _audit(session, Action.DELIVERY_EXHAUSTED, delivery_id, "dispatcher", now)
    close_study_when_settled(session, _study_id(session, delivery_id), now=now)


def postpone_delivery(
    session: Session, held: Lease, *, not_before: datetime, answer: str, actor: str, now: datetime
) -> None:
    """Enter that the Destination could not be reached, and when to try again; raises LeaseLost."""
    jobs.give_back(session, held, not_before=not_before, error=answer, now=now)
    delivery_id = DeliveryId(held.subject_id)
    session.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id).values(last_answer=answer[:2000])
    )
    _audit(
        session,
        Action.DELIVERY_POSTPONED,
        delivery_id,
        actor,
        now,
        {"answer": answer[:500], "not_before": not_before.isoformat()},
    )


def close_study_when_settled(session: Session, study_id: int, *, now: datetime) -> None:
    """Move a COMPLETE study to DONE once no Analysis and no Delivery of it is open.

    Who settles at the same moment waits here, so that the last one sees what the others did: without the
    lock, neither of two would see the other's end and the study would stay open for ever.
    """
    session.execute(locked(session, sa.select(studies.c.id).where(studies.c.id == study_id)))
    open_analyses = sa.exists().where(analyses.c.study_id == study_id, analyses.c.state.in_(_OPEN_ANALYSES))
    open_deliveries = sa.exists().where(
        deliveries.c.study_id == study_id,
        deliveries.c.state == DeliveryState.PENDING.value,
    )
    row = session.execute(
        sa.update(studies)
        .where(
            studies.c.id == study_id,
            studies.c.state == StudyState.COMPLETE.value,
            sa.not_(open_analyses),
            sa.not_(open_deliveries),
        )
        .values(state=StudyState.DONE.value)
        .returning(studies.c.study_instance_uid, studies.c.patient_id)
    ).first()
    if row is not None:
        event = AuditEvent(
            action=Action.STUDY_DONE,
            actor="node",
            study_instance_uid=row.study_instance_uid,
            patient_id=row.patient_id,
        )
        audit_trail.record(session, [event], at=now)


_SELECT = sa.select(deliveries, studies.c.study_instance_uid).join(
    studies, studies.c.id == deliveries.c.study_id
)
_CLOSING = {
    DeliveryState.DELIVERED: Action.DELIVERY_DELIVERED,
    DeliveryState.REFUSED: Action.DELIVERY_REFUSED,
    DeliveryState.EXHAUSTED: Action.DELIVERY_EXHAUSTED,
}


def _close(
    session: Session, held: Lease, after: DeliveryState, answer: str, *, actor: str, now: datetime
) -> None:
    delivery_id = DeliveryId(held.subject_id)
    delivered_at = now if after is DeliveryState.DELIVERED else None
    _move(session, delivery_id, after, last_answer=answer[:2000], delivered_at=delivered_at)
    _audit(session, _CLOSING[after], delivery_id, actor, now, {"answer": answer[:500]})
    close_study_when_settled(session, _study_id(session, delivery_id), now=now)


def _move(session: Session, delivery_id: DeliveryId, after: DeliveryState, **values: object) -> None:
    moved = session.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.PENDING.value)
        .values(state=after.value, **values)
        .returning(deliveries.c.id)
    ).first()
    if moved is None:
        raise StateConflict(f"delivery {delivery_id} is not PENDING, it cannot become {after.value}")


def _study_id(session: Session, delivery_id: DeliveryId) -> int:
    return int(
        session.execute(sa.select(deliveries.c.study_id).where(deliveries.c.id == delivery_id)).scalar_one()
    )


def _delivery_of(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        delivery_id=DeliveryId(row.id),
        study_instance_uid=StudyInstanceUID(row.study_instance_uid),
        content=DeliveryContent(row.content),
        analysis_id=None if row.analysis_id is None else AnalysisId(row.analysis_id),
        destination=row.destination,
        state=DeliveryState(row.state),
        proof=Proof(row.proof),
        deidentify=row.deidentify,
        attempts=row.attempts,
        resends=row.resends,
        last_answer=row.last_answer,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
        verified_at=row.verified_at,
    )


def _audit(
    session: Session,
    action: Action,
    delivery_id: DeliveryId,
    actor: str,
    now: datetime,
    detail: dict[str, str | int | float | None] | None = None,
) -> None:
    row = session.execute(
        sa.select(
            deliveries.c.destination,
            deliveries.c.attempts,
            studies.c.study_instance_uid,
            studies.c.patient_id,
        )
        .join(studies, studies.c.id == deliveries.c.study_id)
        .where(deliveries.c.id == delivery_id)
    ).one()
    event = AuditEvent(
        action=action,
        actor=actor,
        study_instance_uid=row.study_instance_uid,
        patient_id=row.patient_id,
        subject=str(delivery_id),
        detail={"destination": row.destination, "attempt": row.attempts, **(detail or {})},
    )
    audit_trail.record(session, [event], at=now)
