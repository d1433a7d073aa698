"""Jobs: durable rows, one thing a worker must do each; who holds it and until when."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from dicom_node.domain.identifiers import JobId


class Queue(Enum):
    """The queues; a dead PACS on one never holds up reading on the other."""

    ANALYSIS = "analysis"
    DELIVERY = "delivery"


SHADOW_LANE = "(shadow)"
"""Lane of the analysis jobs of models in shadow: none of them is rung while another analysis job waits."""


class JobState(Enum):
    """How far along a job is."""

    READY = "READY"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    DEAD = "DEAD"


JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.READY: frozenset({JobState.QUEUED, JobState.RUNNING}),
    JobState.QUEUED: frozenset({JobState.READY, JobState.RUNNING}),
    JobState.RUNNING: frozenset({JobState.DONE, JobState.READY, JobState.DEAD}),
    JobState.DONE: frozenset(),
    JobState.DEAD: frozenset({JobState.READY}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claimed job: what to do, and the fencing token without which nothing can be settled."""

    job_id: JobId
    queue: Queue
    token: UUID
    lane: str
    """The name of the Destination of a delivery job."""
    attempt: int
    """1 on the first try."""
    lease_until: datetime
    subject_id: UUID
    """The Analysis or the Delivery that the job is about."""
