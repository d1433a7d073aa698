"""Proof of arrival: the Destination shows that it has what it accepted, or it is sent again, once."""

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from dicom_node.database import commitments, delivery_steps, jobs, outbox
from dicom_node.delivery.carriers import Carrier
from dicom_node.delivery.commitment import reason_of
from dicom_node.delivery.errand import Errand
from dicom_node.delivery.parcels import unchecked_parcels
from dicom_node.domain.delivery import Commitment, InstanceState, OutboxInstance, Proof
from dicom_node.errors import DeliveryRefused, DestinationUnreachable

logger = logging.getLogger(__name__)

Opened = Callable[[], Carrier]
"""Opens the way to the Destination, or returns it where it is open."""


def begin_proof(errand: Errand, opened: Opened) -> None:
    """Do what follows acceptance at once: ask for storage commitment, or wait before the first search."""
    if errand.delivery.proof is Proof.COMMITMENT or not errand.profile.verify_after:
        prove(errand, opened)
        return
    with errand.entering() as (session, now):
        _wait(errand, session, now + errand.profile.verify_after, now)


def prove(errand: Errand, opened: Opened) -> None:
    """Do the next step on the way to the proof, and give the job back, or settle it.

    Raises
    ------
    DestinationUnreachable
        It cannot be asked now.
    DeliveryRefused
        It offers no such proof.
    """
    rows = errand.rows(InstanceState.ACCEPTED)
    if errand.delivery.proof is Proof.COMMITMENT:
        _by_commitment(errand, rows, opened)
    else:
        _by_search(errand, rows, opened)


def _by_commitment(errand: Errand, rows: Sequence[OutboxInstance], opened: Opened) -> None:
    with errand.resources.database.read() as session:
        asked = commitments.latest_commitment(session, errand.delivery_id, since=_delivered_at(errand))
        now = errand.resources.database.now(session)
    if asked is None:
        _request(errand, rows, opened)
    elif asked.answered_at is not None:
        _settle_report(errand, rows, asked, opened())
    elif now < asked.requested_at + errand.profile.verify_within:
        deadline = asked.requested_at + errand.profile.verify_within
        with errand.entering() as (session, now):
            is_answered = commitments.is_answered(session, asked.transaction_uid)
            _wait(errand, session, now if is_answered else deadline, now)
    else:
        _search_instead(errand, rows, opened)


def _request(errand: Errand, rows: Sequence[OutboxInstance], opened: Opened) -> None:
    """Ask for storage commitment; the request is entered first: the report may be quicker than we are."""
    transaction_uid = f"2.25.{uuid.uuid4().int}"
    with errand.entering() as (session, now):
        commitments.enter_request(session, errand.delivery_id, transaction_uid, actor=errand.actor, now=now)
    parcels = unchecked_parcels(errand.resources.archive, errand.delivery, rows)
    try:
        opened().request_commitment(parcels, transaction_uid)
    except DestinationUnreachable:
        with errand.entering() as (session, now):
            commitments.withdraw_request(session, transaction_uid)
        raise
    except DeliveryRefused as refusal:
        logger.warning("no storage commitment, searching instead", extra={**errand.log, "why": str(refusal)})
        with errand.entering() as (session, now):
            commitments.withdraw_request(session, transaction_uid)
        _by_search(errand, rows, opened)
        return
    with errand.entering() as (session, now):
        errand.enter_contact(session, now)
        is_answered = commitments.is_answered(session, transaction_uid)
        _wait(errand, session, now if is_answered else now + errand.profile.verify_within, now)


def _settle_report(
    errand: Errand, rows: Sequence[OutboxInstance], asked: Commitment, carrier: Carrier
) -> None:
    lost = {}
    for parcel in unchecked_parcels(errand.resources.archive, errand.delivery, rows):
        left = carrier.sent_as(parcel) - asked.committed
        if left:
            reasons = [asked.failed[uid] for uid in sorted(left) if uid in asked.failed]
            told = reason_of(reasons[0]) if reasons else "not in the report of what is committed"
            lost[parcel.sop_instance_uid] = told
    with errand.entering() as (session, now):
        _settle(errand, session, rows, lost, now)


def _search_instead(errand: Errand, rows: Sequence[OutboxInstance], opened: Opened) -> None:
    """No report came in time: search for them, and take them for lost where there is no search either."""
    try:
        _by_search(errand, rows, opened)
    except DeliveryRefused as refusal:
        reason = f"no storage commitment in time, and no search ({refusal})"
        with errand.entering() as (session, now):
            _settle(errand, session, rows, {row.sop_instance_uid: reason for row in rows}, now)


def _by_search(errand: Errand, rows: Sequence[OutboxInstance], opened: Opened) -> None:
    found = opened().find(unchecked_parcels(errand.resources.archive, errand.delivery, rows))
    missing = {
        row.sop_instance_uid: "not found" for row in rows if not found.get(row.sop_instance_uid, False)
    }
    with errand.entering() as (session, now):
        errand.enter_contact(session, now)
        delivered_at = _delivered_at(errand)
        deadline = delivered_at + errand.profile.verify_within
        if not missing or now >= deadline:
            _settle(errand, session, rows, missing, now)
            return
        # Growing pauses without a count: as long again as it has been looked for.
        pause = max(errand.profile.verify_after, now - delivered_at)
        _wait(errand, session, min(now + pause, deadline), now)


def _settle(
    errand: Errand, session: Session, rows: Sequence[OutboxInstance], lost: dict[str, str], now: datetime
) -> None:
    proved = [row.sop_instance_uid for row in rows if row.sop_instance_uid not in lost]
    outbox.enter_proof(session, errand.delivery_id, proved, now=now)
    if lost:
        state = delivery_steps.enter_lost(session, errand.held, lost, actor=errand.actor, now=now)
        logger.error("accepted and lost", extra={**errand.log, "lost": len(lost), "state": state.value})
        return
    delivery_steps.settle_verified(session, errand.held, actor=errand.actor, now=now)
    logger.info("verified", extra=errand.log)


def _wait(errand: Errand, session: Session, not_before: datetime, now: datetime) -> None:
    jobs.put_off(session, errand.held, not_before=not_before, until="the proof of arrival", now=now)


def _delivered_at(errand: Errand) -> datetime:
    assert errand.delivery.delivered_at is not None  # noqa: S101 - it is DELIVERED
    return errand.delivery.delivered_at
