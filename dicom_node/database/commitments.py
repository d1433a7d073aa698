"""Requests for storage commitment and the reports that answer them (PS3.4 J.3)."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.delivery_events import record_delivery
from dicom_node.database.statements import locked
from dicom_node.database.tables import commitments
from dicom_node.database.waiting_jobs import hasten
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import Commitment
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.job import Queue


def enter_request(
    session: Session, delivery_id: DeliveryId, transaction_uid: str, *, actor: str, now: datetime
) -> None:
    """Enter a request before it goes out: its answer may come before the worker hears that it arrived."""
    session.execute(
        sa.insert(commitments).values(
            transaction_uid=transaction_uid, delivery_id=delivery_id, requested_at=now
        )
    )
    detail: dict[str, str | int | float | None] = {"transaction_uid": transaction_uid}
    record_delivery(session, Action.COMMITMENT_REQUESTED, delivery_id, actor, now, detail)


def withdraw_request(session: Session, transaction_uid: str) -> None:
    """Forget a request that did not arrive, unless it is answered all the same."""
    session.execute(
        sa.delete(commitments).where(
            commitments.c.transaction_uid == transaction_uid, commitments.c.answered_at.is_(None)
        )
    )


def enter_report(
    session: Session,
    transaction_uid: str,
    *,
    committed: frozenset[str],
    failed: Mapping[str, int],
    actor: str,
    now: datetime,
) -> DeliveryId | None:
    """Enter what the Destination reported, and let the Delivery's job go on at once.

    A second report of the same transaction changes nothing. None when nobody asked under this UID.
    """
    row = session.execute(
        locked(session, sa.select(commitments).where(commitments.c.transaction_uid == transaction_uid))
    ).first()
    if row is None:
        return None
    delivery_id = DeliveryId(row.delivery_id)
    if row.answered_at is not None:
        return delivery_id
    session.execute(
        sa.update(commitments)
        .where(commitments.c.transaction_uid == transaction_uid)
        .values(answered_at=now, answer={"committed": sorted(committed), "failed": dict(failed)})
    )
    detail: dict[str, str | int | float | None] = {
        "transaction_uid": transaction_uid,
        "committed": len(committed),
        "failed": len(failed),
    }
    record_delivery(session, Action.COMMITMENT_ANSWERED, delivery_id, actor, now, detail)
    hasten(session, Queue.DELIVERY, delivery_id, now=now)
    return delivery_id


def is_answered(session: Session, transaction_uid: str) -> bool:
    """Tell whether the report has come; one that comes now waits until the transaction ends.

    Who puts its job off asks here, or a report between the question and the commit would wake nobody.
    """
    answered_at = session.execute(
        locked(
            session,
            sa.select(commitments.c.answered_at).where(commitments.c.transaction_uid == transaction_uid),
        )
    ).scalar_one_or_none()
    return answered_at is not None


def latest_commitment(session: Session, delivery_id: DeliveryId, *, since: datetime) -> Commitment | None:
    """Return the last request of the Delivery from that time on; None when there is none."""
    row = session.execute(
        sa.select(commitments)
        .where(commitments.c.delivery_id == delivery_id, commitments.c.requested_at >= since)
        .order_by(commitments.c.requested_at.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    answer = row.answer or {}
    return Commitment(
        transaction_uid=row.transaction_uid,
        delivery_id=DeliveryId(row.delivery_id),
        requested_at=row.requested_at,
        answered_at=row.answered_at,
        committed=frozenset(answer.get("committed", ())),
        failed=answer.get("failed", {}),
    )
