"""Deliveries: results or originals on their way to a Destination, and when a study is done."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail, jobs, outbox
from dicom_node.database.delivery_events import record_delivery
from dicom_node.database.jobs import NewJob
from dicom_node.database.statements import insert_or_ignore, locked
from dicom_node.database.studies import lock_study
from dicom_node.database.tables import analyses, deliveries, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.delivery import Delivery, DeliveryContent, DeliveryState, Order, Proof
from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.finding import AnalysisState
from dicom_node.domain.identifiers import AnalysisId, DeliveryId, StudyInstanceUID, derived_uuid
from dicom_node.domain.job import Queue
from dicom_node.domain.study import StudyState
from dicom_node.errors import ShadowMustStay, StateConflict

_OPEN_ANALYSES = (AnalysisState.REQUESTED.value, AnalysisState.RUNNING.value)


def request_delivery(
    session: Session, analysis_id: AnalysisId, order: Order, *, priority: int, now: datetime
) -> DeliveryId:
    """Enter a Delivery of results and its job; the same Analysis and Destination again is the same one.

    Raises
    ------
    ShadowMustStay
        The Analysis is a SHADOW.
    """
    delivery_id = DeliveryId(derived_uuid("delivery", str(analysis_id), order.destination))
    analysis = session.execute(
        sa.select(analyses.c.study_id, analyses.c.mode).where(analyses.c.id == analysis_id)
    ).one()
    if analysis.mode == ModelMode.SHADOW.value:
        raise ShadowMustStay(f"analysis {analysis_id} is a shadow: nothing of it leaves the database")
    row = {
        "id": delivery_id,
        "study_id": analysis.study_id,
        "analysis_id": analysis_id,
        "content": DeliveryContent.RESULTS.value,
    }
    if _is_new(session, row, order, now):
        outbox.enter_results(session, delivery_id, analysis_id)
        _open_job(session, delivery_id, analysis.study_id, order, priority=priority, now=now)
    return delivery_id


def request_forward(
    session: Session, study_instance_uid: StudyInstanceUID, order: Order, *, priority: int, now: datetime
) -> DeliveryId:
    """Enter a Delivery of the Instances that the study was complete with, and its job; again is the same."""
    delivery_id = DeliveryId(derived_uuid("forward", study_instance_uid, order.destination))
    study_id = lock_study(session, study_instance_uid).id
    row = {"id": delivery_id, "study_id": study_id, "content": DeliveryContent.ORIGINALS.value}
    if _is_new(session, row, order, now):
        outbox.enter_originals(session, delivery_id, study_id)
        _open_job(session, delivery_id, study_id, order, priority=priority, now=now)
    return delivery_id


def find_delivery(session: Session, delivery_id: DeliveryId) -> Delivery:
    """Return the Delivery; raises ``NoResultFound`` when there is none."""
    return delivery_of(session.execute(DELIVERIES.where(deliveries.c.id == delivery_id)).one())


def deliveries_of(session: Session, study_instance_uids: Iterable[str]) -> list[Delivery]:
    """Return the Deliveries of the studies, by Destination."""
    rows = session.execute(
        DELIVERIES.where(studies.c.study_instance_uid.in_(list(study_instance_uids))).order_by(
            deliveries.c.destination, deliveries.c.content.desc(), deliveries.c.id
        )
    )
    return [delivery_of(row) for row in rows]


def close_study_when_settled(session: Session, study_id: int, *, now: datetime) -> None:
    """Move a COMPLETE study to DONE once no Analysis is open and no Delivery waits, be it for its proof.

    Who settles at the same moment waits here, so that the last one sees what the others did: without the
    lock, neither of two would see the other's end and the study would stay open for ever.
    """
    session.execute(locked(session, sa.select(studies.c.id).where(studies.c.id == study_id)))
    open_analyses = sa.exists().where(
        analyses.c.study_id == study_id,
        analyses.c.state.in_(_OPEN_ANALYSES),
        analyses.c.mode != ModelMode.SHADOW.value,  # nobody waits for what nobody gets
    )
    open_deliveries = sa.exists().where(deliveries.c.study_id == study_id, is_open())
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


def is_open() -> sa.ColumnElement[bool]:
    """Return the condition of a Delivery that still has something to do."""
    return sa.or_(deliveries.c.state == DeliveryState.PENDING.value, awaits_proof())


def awaits_proof() -> sa.ColumnElement[bool]:
    """Return the condition of a Delivery that was accepted and is still to be proved."""
    return sa.and_(
        deliveries.c.state == DeliveryState.DELIVERED.value, deliveries.c.proof != Proof.NONE.value
    )


def move_delivery(
    session: Session,
    delivery_id: DeliveryId,
    after: DeliveryState,
    before: Iterable[DeliveryState],
    **values: object,
) -> int:
    """Move the Delivery by compare-and-set, and return the key of its study.

    Raises
    ------
    StateConflict
        It is in another state than those before, or accepted where nobody asks for proof: that is the end.
    """
    goes_on = sa.or_(deliveries.c.state != DeliveryState.DELIVERED.value, awaits_proof())
    moved: int | None = session.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.state.in_([state.value for state in before]),
            goes_on,
        )
        .values(state=after.value, **values)
        .returning(deliveries.c.study_id)
    ).scalar_one_or_none()
    if moved is None:
        raise StateConflict(f"delivery {delivery_id} cannot become {after.value} now")
    return moved


DELIVERIES = sa.select(deliveries, studies.c.study_instance_uid).join(
    studies, studies.c.id == deliveries.c.study_id
)
"""The query whose rows :func:`delivery_of` takes."""


def delivery_of(row: sa.Row[Any]) -> Delivery:
    """Return the domain value of a row of :data:`DELIVERIES`."""
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
        pending_since=row.pending_since,
        delivered_at=row.delivered_at,
        verified_at=row.verified_at,
    )


def _is_new(session: Session, row: dict[str, object], order: Order, now: datetime) -> bool:
    wanted = {"destination": order.destination, "deidentify": order.deidentify}
    state = {"state": DeliveryState.PENDING.value, "created_at": now, "pending_since": now}
    return insert_or_ignore(session, deliveries, {**row, **wanted, **state})


def _open_job(
    session: Session, delivery_id: DeliveryId, study_id: int, order: Order, *, priority: int, now: datetime
) -> None:
    job = NewJob(
        queue=Queue.DELIVERY,
        subject_id=delivery_id,
        study_id=study_id,
        priority=priority,
        lane=order.destination,
    )
    jobs.open_job(session, job, now=now)
    record_delivery(session, Action.DELIVERY_REQUESTED, delivery_id, "node", now)
