"""Deliveries: one Analysis' instances on their way to one Destination."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from dicom_node.domain.identifiers import AETitle, AnalysisId, DeliveryId


class DeliveryState(Enum):
    """How far along a Delivery is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    VERIFIED = "VERIFIED"
    REFUSED = "REFUSED"
    EXHAUSTED = "EXHAUSTED"


DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset(
        {DeliveryState.DELIVERED, DeliveryState.REFUSED, DeliveryState.EXHAUSTED}
    ),
    DeliveryState.DELIVERED: frozenset({DeliveryState.VERIFIED, DeliveryState.PENDING}),
    DeliveryState.VERIFIED: frozenset(),
    DeliveryState.REFUSED: frozenset({DeliveryState.PENDING}),
    DeliveryState.EXHAUSTED: frozenset({DeliveryState.PENDING}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A remote Application Entity that gets results, written ``AE@host:port``."""

    ae_title: AETitle
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One Analysis' instances to one Destination."""

    delivery_id: DeliveryId
    analysis_id: AnalysisId
    destination: str
    """``AE@host:port`` as configured when the Analysis was completed."""
    state: DeliveryState
    attempts: int
    last_answer: str
    """What the Destination last said, in words."""
    created_at: datetime
    delivered_at: datetime | None
