"""Audit events of deliveries."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.tables import deliveries, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.identifiers import DeliveryId


def record_delivery(
    session: Session,
    action: Action,
    delivery_id: DeliveryId,
    actor: str,
    now: datetime,
    detail: dict[str, str | int | float | None] | None = None,
) -> None:
    """Enter an event of the Delivery, with its study and its Destination."""
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
