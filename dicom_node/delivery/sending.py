"""Delivery jobs to one Destination, one after another on one open way: send, prove, settle."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from dicom_node.database import delivery_steps
from dicom_node.delivery.carriers import Carrier, Parcel, Receipt
from dicom_node.delivery.commitment import receive_report
from dicom_node.delivery.destinations import profile_of
from dicom_node.delivery.errand import Errand
from dicom_node.delivery.opening import open_carrier
from dicom_node.delivery.parcels import checked_parcels
from dicom_node.delivery.proving import begin_proof, prove
from dicom_node.delivery.settling import (
    enter_progress,
    nothing_answered,
    settle_corrupted,
    settle_refused,
    settle_sent,
    settle_unreachable,
    way_broke,
)
from dicom_node.domain.delivery import Delivery, DeliveryState, InstanceState, Proof
from dicom_node.domain.job import Lease
from dicom_node.errors import ArchiveCorrupted, DeliveryRefused, DestinationUnreachable
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 32
"""Instances between two entries in the database: so many are sent again when a worker dies."""


def deliver(resources: Resources, held: Lease, delivery: Delivery, *, actor: str) -> None:
    """Do one delivery job by itself; see :meth:`Round.deliver`."""
    with Round(resources, actor=actor) as only:
        only.deliver(held, delivery)


class Round:
    """Deliveries to one Destination that share an open way there; a context manager."""

    def __init__(self, resources: Resources, *, actor: str) -> None:
        self._resources, self._actor = resources, actor
        self._carrier: Carrier | None = None
        self._is_fresh = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def is_open(self) -> bool:
        """Whether the way is open, so that more may go there at once."""
        return self._carrier is not None

    def deliver(self, held: Lease, delivery: Delivery) -> None:
        """Do the next step of a claimed delivery job: send what is not accepted yet, or ask for its proof.

        A Destination that cannot be reached is left alone for a while, with all that is to go there; one that
        refused for good is not asked twice.

        Raises
        ------
        LeaseLost
            Another worker holds the job by now; nothing was entered.
        """
        with self._resources.database.read() as session:
            profile = profile_of(session, delivery.destination)
        if profile is None:
            self._refuse_unknown(held, delivery)
            return
        errand = Errand(
            resources=self._resources, held=held, delivery=delivery, profile=profile, actor=self._actor
        )
        try:
            if delivery.state is DeliveryState.PENDING:
                self._send(errand)
            else:
                prove(errand, lambda: self._open(errand))
        except DestinationUnreachable as error:
            self._close()
            settle_unreachable(_renewed(errand), str(error))
        except DeliveryRefused as error:
            settle_refused(_renewed(errand), str(error))
        except ArchiveCorrupted as error:
            settle_corrupted(errand, str(error))

    def _refuse_unknown(self, held: Lease, delivery: Delivery) -> None:
        answer = f"the routes in force have no destination {delivery.destination!r}"
        settle = (
            delivery_steps.settle_refused
            if delivery.state is DeliveryState.PENDING
            else delivery_steps.settle_exhausted
        )
        with self._resources.database.begin() as session:
            now = self._resources.database.now(session)
            settle(session, held, answer=answer, actor=self._actor, now=now)
        logger.warning("delivery to an unknown destination", extra={"delivery": str(delivery.delivery_id)})

    def _send(self, errand: Errand) -> None:
        waiting = errand.rows(InstanceState.PENDING)
        parcels = checked_parcels(self._resources.archive, errand.delivery, waiting)
        receipts: list[Receipt] = []
        answered = False
        for begin in range(0, len(parcels), MOST_AT_ONCE):
            if receipts:
                enter_progress(errand, receipts)
            receipts = self._send_some(errand, parcels[begin : begin + MOST_AT_ONCE])
            if way_broke(receipts):
                self._close()
                break
            answered = True
        if nothing_answered(receipts) and not answered:
            raise DestinationUnreachable(receipts[0].comment)
        state = settle_sent(errand, receipts)
        if state is DeliveryState.DELIVERED and errand.profile.proof is not Proof.NONE:
            begin_proof(_renewed(errand), lambda: self._open(errand))

    def _send_some(self, errand: Errand, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Send on the open way; one that broke while nobody used it is opened again, once."""
        carrier, is_fresh = self._open(errand), self._is_fresh
        self._is_fresh = False
        try:
            receipts = carrier.send(parcels)
        except DestinationUnreachable:
            if is_fresh:
                raise
        else:
            if is_fresh or not nothing_answered(receipts):
                return receipts
        self._close()
        return self._open(errand).send(parcels)

    def _open(self, errand: Errand) -> Carrier:
        if self._carrier is None:
            destination = errand.delivery.destination
            report = partial(receive_report, self._resources, actor=destination[:64])
            self._carrier = open_carrier(destination, errand.profile, self._resources.settings, report)
            self._is_fresh = True
        return self._carrier

    def _close(self) -> None:
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None


def _renewed(errand: Errand) -> Errand:
    return replace(errand, delivery=errand.now_as_it_is())
