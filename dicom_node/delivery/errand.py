"""A delivery job in hand: what it is about, by whose policy, and the transaction to enter something in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dicom_node.database import deliveries, destination_health, jobs, outbox
from dicom_node.delivery.destinations import patience_of
from dicom_node.domain.delivery import Delivery, InstanceState, OutboxInstance, Patience
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.job import Lease
from dicom_node.resources import Resources
from dicom_node.routing.document import DestinationProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A claimed delivery job with the profile of its Destination."""

    resources: Resources
    held: Lease
    delivery: Delivery
    profile: DestinationProfile
    actor: str

    @property
    def delivery_id(self) -> DeliveryId:
        """The Delivery's identifier."""
        return self.delivery.delivery_id

    @property
    def patience(self) -> Patience:
        """How long to wait between attempts, and until the last."""
        return patience_of(self.profile, self.resources.settings)

    @property
    def log(self) -> dict[str, object]:
        """What every line about it says."""
        return {"delivery": str(self.delivery_id), "destination": self.delivery.destination}

    def rows(self, state: InstanceState) -> list[OutboxInstance]:
        """Return the Instances in that state, in the order of sending."""
        with self.resources.database.read() as session:
            return [row for row in outbox.outbox_of(session, self.delivery_id) if row.state is state]

    def now_as_it_is(self) -> Delivery:
        """Return the Delivery as the database has it by now."""
        with self.resources.database.read() as session:
            return deliveries.find_delivery(session, self.delivery_id)

    @contextmanager
    def entering(self) -> Iterator[tuple[Session, datetime]]:
        """Open the transaction in which something is entered.

        Raises
        ------
        LeaseLost
            Another worker holds the job by now.
        """
        with self.resources.database.begin() as session:
            jobs.check_held(session, self.held)
            yield session, self.resources.database.now(session)

    def enter_contact(self, session: Session, now: datetime) -> None:
        """Enter that the Destination answered, whatever it said: its breaker closes."""
        destination_health.record_contact(session, self.delivery.destination, actor=self.actor, now=now)
