"""What becomes of a delivery job after its Instances went out, or did not."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dicom_node.database import delivery_steps, destination_health, outbox, waiting_jobs
from dicom_node.delivery.carriers import Receipt
from dicom_node.delivery.errand import Errand
from dicom_node.delivery.parcels import answer_of
from dicom_node.domain.delivery import DeliveryState, InstanceState, OutboxInstance, Proof
from dicom_node.domain.job import Queue

logger = logging.getLogger(__name__)

LAST_IN_LINE = timedelta(seconds=1)
"""After a failed connection another job of the lane probes first: this one may be what the peer dies of."""


def way_broke(receipts: Sequence[Receipt]) -> bool:
    """Tell whether the way there broke: an Instance got no answer, and it is not our doing."""
    return any(_unanswered(receipt) for receipt in receipts)


def nothing_answered(receipts: Sequence[Receipt]) -> bool:
    """Tell whether the way broke before the Destination said anything at all."""
    return bool(receipts) and all(_unanswered(receipt) for receipt in receipts)


def enter_progress(errand: Errand, receipts: Sequence[Receipt]) -> None:
    """Enter a part of a large Delivery, so that whoever has to go on begins after it."""
    with errand.entering() as (session, now):
        outbox.enter_answers(session, errand.delivery_id, map(answer_of, receipts), now=now)


def settle_sent(errand: Errand, receipts: Sequence[Receipt]) -> DeliveryState:
    """Enter the last receipts and what follows from all of them; return the Delivery's state.

    As long as anything may still be accepted, the rest goes out later and nothing is given up. DELIVERED with
    a proof to come leaves the job in hand.
    """
    with errand.entering() as (session, now):
        if receipts and not nothing_answered(receipts):
            errand.enter_contact(session, now)
        outbox.enter_answers(session, errand.delivery_id, map(answer_of, receipts), now=now)
        rows = outbox.outbox_of(session, errand.delivery_id)
        told = _told(rows)
        states = {row.state for row in rows}
        if InstanceState.PENDING in states:
            return _try_later(
                errand, session, told, now + errand.patience.wait(errand.delivery.attempts), now
            )
        if InstanceState.REFUSED in states:
            delivery_steps.settle_refused(session, errand.held, answer=told, actor=errand.actor, now=now)
            logger.warning("delivery refused", extra=errand.log)
            return DeliveryState.REFUSED
        _settle_accepted(errand, session, told, now)
    logger.info("delivered", extra=errand.log)
    return DeliveryState.DELIVERED


def settle_unreachable(errand: Errand, answer: str) -> None:
    """Open the breaker of the Destination, and let the job wait for it."""
    destination = errand.delivery.destination
    with errand.entering() as (session, now):
        open_until = destination_health.record_failure(
            session, destination, answer=answer, patience=errand.patience, actor=errand.actor, now=now
        )
        waiting_jobs.recall_lane(
            session, Queue.DELIVERY, destination, reason="the Destination cannot be reached", now=now
        )
        _try_later(errand, session, answer, open_until + LAST_IN_LINE, now)


def settle_refused(errand: Errand, answer: str) -> None:
    """Enter that the Destination wants nothing of it: asking again would give the same answer."""
    with errand.entering() as (session, now):
        errand.enter_contact(session, now)
        if errand.delivery.state is DeliveryState.PENDING:
            delivery_steps.settle_refused(session, errand.held, answer=answer, actor=errand.actor, now=now)
        else:
            told = f"accepted, but there is no proof: {answer}"
            delivery_steps.settle_exhausted(session, errand.held, answer=told, actor=errand.actor, now=now)
    logger.warning("delivery refused", extra=errand.log)


def settle_corrupted(errand: Errand, answer: str) -> None:
    """Enter that the bytes are not those that were recorded: they never go out."""
    with errand.entering() as (session, now):
        delivery_steps.settle_exhausted(session, errand.held, answer=answer, actor=errand.actor, now=now)
    logger.critical("bytes are gone or changed", extra=errand.log)


def _settle_accepted(errand: Errand, session: Session, told: str, now: datetime) -> None:
    proof, actor = errand.profile.proof, errand.actor
    if proof is Proof.NONE:
        delivery_steps.settle_delivered(session, errand.held, answer=told, actor=actor, now=now)
    else:
        delivery_steps.enter_delivered(session, errand.held, proof=proof, answer=told, actor=actor, now=now)


def _try_later(
    errand: Errand, session: Session, answer: str, not_before: datetime, now: datetime
) -> DeliveryState:
    delivery, actor = errand.delivery, errand.actor
    since = delivery.delivered_at or delivery.pending_since
    if now - since >= errand.patience.give_up_after:
        delivery_steps.settle_exhausted(session, errand.held, answer=answer, actor=actor, now=now)
        return DeliveryState.EXHAUSTED
    delivery_steps.postpone_delivery(
        session, errand.held, not_before=not_before, answer=answer, actor=actor, now=now
    )
    logger.warning("delivery later", extra={**errand.log, "not_before": not_before.isoformat()})
    return delivery.state


def _unanswered(receipt: Receipt) -> bool:
    return receipt.temporary and receipt.status is None


def _told(rows: Sequence[OutboxInstance]) -> str:
    """Return what was said of each Instance; of many, of those that were not accepted."""
    of_interest = [row for row in rows if row.state is not InstanceState.ACCEPTED] or rows
    told = [f"{row.sop_instance_uid}: {row.answer}" for row in of_interest[:10] if row.answer]
    left = len(of_interest) - 10
    return "; ".join(told + ([f"and {left} more"] if left > 0 else []))
