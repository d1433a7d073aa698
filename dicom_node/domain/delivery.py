"""Deliveries: Instances on their way to one Destination, and the proof that they arrived."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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
class Order:
    """That something is to go to a Destination, and in what shape."""

    destination: str
    """Its name in the routes, or ``AE@host:port`` where there are none."""
    deidentify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait between two attempts, and until the last."""

    first: timedelta
    longest: timedelta
    give_up_after: timedelta

    def wait(self, failures: int) -> timedelta:
        """Return the wait after so many failures in a row: doubling, bounded, with a tenth of jitter."""
        doubled = self.first * float(2 ** min(max(failures, 1) - 1, 20))
        return min(doubled, self.longest) * random.uniform(0.9, 1.1)


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
    pending_since: datetime
    """When it last became due from the beginning: requested, lost and sent again, or replayed by a person."""
    delivered_at: datetime | None
    verified_at: datetime | None

    @property
    def awaits_proof(self) -> bool:
        """Whether everything was accepted and the Destination is still to show that it kept it."""
        return self.state is DeliveryState.DELIVERED and self.proof is not Proof.NONE


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


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceAnswer:
    """What came of sending one Instance of a Delivery, or of asking for its proof."""

    sop_instance_uid: str
    state: InstanceState
    """PENDING: not accepted now, but may be later."""
    form: str = ""
    status: int | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationHealth:
    """The circuit breaker of one Destination; it is open while nothing is tried there."""

    destination: str
    failures: int
    """In a row."""
    open_until: datetime | None
    """None: closed. Past: one job at a time probes."""
    probe_until: datetime | None
    """Somebody probes until then at the latest."""
    last_answer: str
    updated_at: datetime

    def may_be_probed(self, now: datetime) -> bool:
        """Whether it has been left alone for long enough, and nobody is trying it."""
        rested = self.open_until is not None and self.open_until <= now
        return rested and (self.probe_until is None or self.probe_until <= now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A request for storage commitment (PS3.4 J.3.2), and what the Destination reported."""

    transaction_uid: str
    delivery_id: DeliveryId
    requested_at: datetime
    answered_at: datetime | None
    committed: frozenset[str]
    failed: Mapping[str, int]
    """SOP Instance UIDs and the Failure Reason (0008,1197) of each."""
