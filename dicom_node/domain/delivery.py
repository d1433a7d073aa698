"""Deliveries: Instances on their way to one Destination, and the proof that they arrived."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from dicom_node.domain.identifiers import AETitle, AnalysisId, DeliveryId, StudyInstanceUID


class DeliveryState(Enum):
    """How far along a Delivery is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    """Every Instance was accepted; the proof, where one is asked for, is still to come."""
    VERIFIED = "VERIFIED"
    """The Destination was asked again and has every Instance."""
    REFUSED = "REFUSED"
    EXHAUSTED = "EXHAUSTED"


DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset(
        {DeliveryState.DELIVERED, DeliveryState.REFUSED, DeliveryState.EXHAUSTED}
    ),
    DeliveryState.DELIVERED: frozenset(
        {DeliveryState.VERIFIED, DeliveryState.PENDING, DeliveryState.EXHAUSTED}
    ),
    DeliveryState.VERIFIED: frozenset(),
    DeliveryState.REFUSED: frozenset({DeliveryState.PENDING}),
    DeliveryState.EXHAUSTED: frozenset({DeliveryState.PENDING}),
}


class DeliveryContent(Enum):
    """What a Delivery brings."""

    RESULTS = "RESULTS"
    ORIGINALS = "ORIGINALS"


class Proof(Enum):
    """How a Destination proves that it has what it accepted."""

    NONE = "none"
    """It is asked for none: DELIVERED is the end."""
    COMMITMENT = "commitment"
    """Storage Commitment Push Model (PS3.4 J)."""
    FIND = "find"
    """C-FIND at IMAGE level (PS3.4 C)."""
    QIDO = "qido"
    """QIDO-RS search for instances (PS3.18 10.6)."""
    READ_BACK = "read-back"
    """The stored bytes are read again and compared (folders and buckets)."""


class InstanceState(Enum):
    """How far along one Instance of a Delivery is."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    VERIFIED = "VERIFIED"
    REFUSED = "REFUSED"


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
    """One Analysis' results, or a study's original Instances, to one Destination."""

    delivery_id: DeliveryId
    study_instance_uid: StudyInstanceUID
    content: DeliveryContent
    analysis_id: AnalysisId | None
    """None for original Instances."""
    destination: str
    """Name of the Destination in the routes, or ``AE@host:port`` where there are none."""
    state: DeliveryState
    proof: Proof
    deidentify: bool
    attempts: int
    resends: int
    """How often it went out again because the Destination had lost what it had accepted; at most 1."""
    last_answer: str
    """What the Destination last said, in words."""
    created_at: datetime
    delivered_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxInstance:
    """One Instance of a Delivery: the outbox has one row an object and Destination."""

    delivery_id: DeliveryId
    sop_instance_uid: str
    sop_class_uid: str
    """Of the stored bytes; ``form`` says what went out."""
    path: str
    """Relative to the archive's root."""
    sha256: str
    state: InstanceState
    form: str
    """What went out where it was not the stored bytes: a SOP Class, a Transfer Syntax, ``de-identified``."""
    status: int | None
    answer: str
    attempts: int
