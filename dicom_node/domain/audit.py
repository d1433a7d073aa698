"""Audit events: who did what to which object, when, with what outcome (after PS3.15 A.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Action(Enum):
    """Everything that the audit trail can say."""

    NODE_STARTED = "node.started"
    NODE_STOPPED = "node.stopped"
    ASSOCIATION_REFUSED = "association.refused"
    INSTANCE_RECEIVED = "instance.received"
    INSTANCE_DUPLICATE = "instance.duplicate"
    INSTANCE_CONFLICT = "instance.conflict"
    INSTANCE_REFUSED = "instance.refused"
    STUDY_COMPLETED = "study.completed"
    STUDY_AMENDED = "study.amended"
    STUDY_DONE = "study.done"
    STUDY_ROUTED = "study.routed"
    STUDY_HELD = "study.held"
    STUDY_RELEASED = "study.released"
    STUDY_DROPPED = "study.dropped"
    ROUTES_ACTIVATED = "routes.activated"
    MODEL_REGISTERED = "model.registered"
    MODEL_ACTIVATED = "model.activated"
    MODEL_RETIRED = "model.retired"
    MODEL_STAGED = "model.staged"
    MODEL_PROMOTED = "model.promoted"
    MODEL_ROLLED_BACK = "model.rolled_back"
    ANALYSIS_REQUESTED = "analysis.requested"
    ANALYSIS_STARTED = "analysis.started"
    ANALYSIS_COMPLETED = "analysis.completed"
    ANALYSIS_NOT_APPLICABLE = "analysis.not_applicable"
    ANALYSIS_FAILED = "analysis.failed"
    JOB_QUEUED = "job.queued"
    JOB_RETRIED = "job.retried"
    JOB_PUT_OFF = "job.put_off"
    JOB_REAPED = "job.reaped"
    JOB_RELEASED = "job.released"
    JOB_DEAD = "job.dead"
    JOB_REVIVED = "job.revived"
    DELIVERY_REQUESTED = "delivery.requested"
    DELIVERY_STARTED = "delivery.started"
    DELIVERY_POSTPONED = "delivery.postponed"
    DELIVERY_DELIVERED = "delivery.delivered"
    DELIVERY_VERIFIED = "delivery.verified"
    DELIVERY_LOST = "delivery.lost"
    DELIVERY_REFUSED = "delivery.refused"
    DELIVERY_EXHAUSTED = "delivery.exhausted"
    DELIVERY_REPLAYED = "delivery.replayed"
    COMMITMENT_REQUESTED = "commitment.requested"
    COMMITMENT_ANSWERED = "commitment.answered"
    DESTINATION_SUSPENDED = "destination.suspended"
    DESTINATION_RESUMED = "destination.resumed"


_MINOR = {
    "instance.duplicate",
    "job.reaped",
    "job.retried",
    "job.released",
    "delivery.postponed",
    "delivery.lost",
    "destination.suspended",
    "study.amended",
}
_SERIOUS = {
    "association.refused",
    "instance.conflict",
    "instance.refused",
    "analysis.failed",
    "job.dead",
    "delivery.refused",
    "delivery.exhausted",
}


class Outcome(Enum):
    """PS3.15 A.5 EventOutcomeIndicator."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened, append only."""

    action: Action
    actor: str
    """An AE title, a process of the node (``dispatcher``, ``worker:analysis-0``) or a user."""
    study_instance_uid: str = ""
    patient_id: str = ""
    subject: str = ""
    """The object besides the study: a SOP Instance UID, an analysis, job or delivery id, a destination."""
    detail: Mapping[str, str | int | float | None] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """How it went; each action has one outcome."""
        if self.action.value in _SERIOUS:
            return Outcome.SERIOUS_FAILURE
        return Outcome.MINOR_FAILURE if self.action.value in _MINOR else Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An audit event as it stands in the trail."""

    number: int
    at: datetime
    event: AuditEvent
