"""What a worker enters while it holds a delivery job: started, accepted, proved, lost, put off, given up.

Every function raises :class:`~dicom_node.errors.LeaseLost` when another worker holds the job by now; nothing
is entered then. One job lives as long as its Delivery, so that no object is ever sent twice at the same time.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import jobs, outbox
from dicom_node.database.deliveries import close_study_when_settled, find_delivery, move_delivery
from dicom_node.database.delivery_events import record_delivery
from dicom_node.database.tables import deliveries
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import Delivery, DeliveryState, Proof
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.job import Lease

_OPEN = (DeliveryState.PENDING, DeliveryState.DELIVERED)
MOST_RESENDS = 1
"""Some archives delete what they get twice in a row (dcm4chee#4754): a loss is repaired once."""


def start_delivery(session: Session, held: Lease, *, actor: str, now: datetime) -> Delivery:
    """Return the Delivery of a claimed job; one that is to be sent counts an attempt, with its event."""
    delivery_id = DeliveryId(held.subject_id)
    sending = session.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.PENDING.value)
        .values(attempts=deliveries.c.attempts + 1)
        .returning(deliveries.c.id)
    ).first()
    if sending is not None:
        record_delivery(session, Action.DELIVERY_STARTED, delivery_id, actor, now)
    return find_delivery(session, delivery_id)


def settle_delivered(session: Session, held: Lease, *, answer: str, actor: str, now: datetime) -> None:
    """Enter that the Destination accepted every Instance, and that it is asked for no proof: the end."""
    jobs.settle(session, held, now=now)
    study_id = _accept(session, held, Proof.NONE, answer, actor, now)
    close_study_when_settled(session, study_id, now=now)


def enter_delivered(
    session: Session, held: Lease, *, proof: Proof, answer: str, actor: str, now: datetime
) -> None:
    """Enter that the Destination accepted every Instance; the job stays held, for the proof."""
    jobs.check_held(session, held)
    _accept(session, held, proof, answer, actor, now)


def settle_verified(session: Session, held: Lease, *, actor: str, now: datetime) -> None:
    """Enter that the Destination has shown that it has every Instance: the end."""
    jobs.settle(session, held, now=now)
    delivery_id = DeliveryId(held.subject_id)
    study_id = move_delivery(
        session, delivery_id, DeliveryState.VERIFIED, {DeliveryState.DELIVERED}, verified_at=now
    )
    record_delivery(session, Action.DELIVERY_VERIFIED, delivery_id, actor, now)
    close_study_when_settled(session, study_id, now=now)


def enter_lost(
    session: Session, held: Lease, lost: Mapping[str, str], *, actor: str, now: datetime
) -> DeliveryState:
    """Enter what was accepted and not kept, by SOP Instance UID, with the reason.

    It goes out again at once, but once only: the second time the Delivery is EXHAUSTED.
    """
    delivery_id = DeliveryId(held.subject_id)
    for reason in set(lost.values()):
        uids = [uid for uid, of_uid in lost.items() if of_uid == reason]
        outbox.enter_loss(session, delivery_id, uids, reason=reason)
    told = "; ".join(f"{uid}: {reason}" for uid, reason in lost.items())
    if find_delivery(session, delivery_id).resends >= MOST_RESENDS:
        settle_exhausted(session, held, answer=f"lost again: {told}", actor=actor, now=now)
        return DeliveryState.EXHAUSTED
    jobs.put_off(session, held, not_before=now, until="what was lost is sent again", now=now)
    move_delivery(
        session,
        delivery_id,
        DeliveryState.PENDING,
        {DeliveryState.DELIVERED},
        last_answer=f"lost: {told}"[:2000],
        resends=deliveries.c.resends + 1,
        pending_since=now,
        delivered_at=None,
    )
    record_delivery(session, Action.DELIVERY_LOST, delivery_id, actor, now, {"answer": told[:500]})
    return DeliveryState.PENDING


def settle_refused(session: Session, held: Lease, *, answer: str, actor: str, now: datetime) -> None:
    """Enter that the Destination refused for good: a dead letter."""
    jobs.bury(session, held, error=answer, now=now)
    _give_up(session, held, DeliveryState.REFUSED, answer, actor, now)


def settle_exhausted(session: Session, held: Lease, *, answer: str, actor: str, now: datetime) -> None:
    """Enter that the Delivery did not get through, or was not proved, in its time: a dead letter."""
    jobs.bury(session, held, error=answer, now=now)
    _give_up(session, held, DeliveryState.EXHAUSTED, answer, actor, now)


def exhaust_dead_delivery(session: Session, delivery_id: DeliveryId, *, reason: str, now: datetime) -> None:
    """Enter that a Delivery whose job is DEAD will not be tried again."""
    study_id = move_delivery(session, delivery_id, DeliveryState.EXHAUSTED, _OPEN, last_answer=reason)
    record_delivery(session, Action.DELIVERY_EXHAUSTED, delivery_id, "dispatcher", now)
    close_study_when_settled(session, study_id, now=now)


def postpone_delivery(
    session: Session, held: Lease, *, not_before: datetime, answer: str, actor: str, now: datetime
) -> None:
    """Enter that the Destination could not be reached or was busy, and when to try again."""
    jobs.give_back(session, held, not_before=not_before, error=answer, now=now)
    delivery_id = DeliveryId(held.subject_id)
    session.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id).values(last_answer=answer[:2000])
    )
    record_delivery(
        session,
        Action.DELIVERY_POSTPONED,
        delivery_id,
        actor,
        now,
        {"answer": answer[:500], "not_before": not_before.isoformat()},
    )


def _accept(session: Session, held: Lease, proof: Proof, answer: str, actor: str, now: datetime) -> int:
    delivery_id = DeliveryId(held.subject_id)
    study_id = move_delivery(
        session,
        delivery_id,
        DeliveryState.DELIVERED,
        {DeliveryState.PENDING},
        proof=proof.value,
        last_answer=answer[:2000],
        delivered_at=now,
    )
    detail: dict[str, str | int | float | None] = {"answer": answer[:500], "proof": proof.value}
    record_delivery(session, Action.DELIVERY_DELIVERED, delivery_id, actor, now, detail)
    return study_id


def _give_up(
    session: Session, held: Lease, after: DeliveryState, answer: str, actor: str, now: datetime
) -> None:
    delivery_id, refused = DeliveryId(held.subject_id), after is DeliveryState.REFUSED
    before = {DeliveryState.PENDING} if refused else _OPEN
    study_id = move_delivery(session, delivery_id, after, before, last_answer=answer[:2000])
    action = Action.DELIVERY_REFUSED if refused else Action.DELIVERY_EXHAUSTED
    record_delivery(session, action, delivery_id, actor, now, {"answer": answer[:500]})
    close_study_when_settled(session, study_id, now=now)
