"""Dead letters: deliveries that were refused or given up, listed and sent again on a person's word."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import outbox
from dicom_node.database.deliveries import DELIVERIES, awaits_proof, delivery_of, move_delivery
from dicom_node.database.delivery_events import record_delivery
from dicom_node.database.tables import deliveries
from dicom_node.database.waiting_jobs import revive
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import Delivery, DeliveryState
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.job import Queue

DEAD = (DeliveryState.REFUSED, DeliveryState.EXHAUSTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounts:
    """How many deliveries need somebody's eye, or something's answer."""

    awaiting_proof: int
    dead_letters: int


def dead_letters(session: Session, *, destination: str = "", limit: int = 1000) -> list[Delivery]:
    """Return the dead letters, of one Destination if it is named, those that are oldest first."""
    statement = DELIVERIES.where(_is_dead()).order_by(deliveries.c.created_at, deliveries.c.id).limit(limit)
    if destination:
        statement = statement.where(deliveries.c.destination == destination)
    return [delivery_of(row) for row in session.execute(statement)]


def replay(session: Session, delivery_id: DeliveryId, *, actor: str, now: datetime) -> None:
    """Let a dead letter be PENDING again, its time from now on; what was accepted or proved stays so.

    Raises
    ------
    StateConflict
        It is no dead letter, or not any more.
    """
    move_delivery(
        session,
        delivery_id,
        DeliveryState.PENDING,
        DEAD,
        pending_since=now,
        attempts=0,
        resends=0,
        delivered_at=None,
    )
    outbox.reset_refused(session, delivery_id)
    revive(session, Queue.DELIVERY, delivery_id, actor=actor, now=now)
    record_delivery(session, Action.DELIVERY_REPLAYED, delivery_id, actor, now)


def delivery_counts(session: Session) -> DeliveryCounts:
    """Return how many deliveries wait for their proof, and how many are dead letters."""
    waiting, dead = (
        session.execute(sa.select(sa.func.count()).select_from(deliveries).where(which)).scalar_one()
        for which in (awaits_proof(), _is_dead())
    )
    return DeliveryCounts(awaiting_proof=waiting, dead_letters=dead)


def _is_dead() -> sa.ColumnElement[bool]:
    return deliveries.c.state.in_([state.value for state in DEAD])
