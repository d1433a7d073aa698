"""Delivery jobs: claim, send, settle. Imports no model, so that a delivery worker is small."""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from dicom_node.database import delivery_steps, jobs, lanes
from dicom_node.delivery.sending import Round
from dicom_node.domain.delivery import Delivery
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import Lease, Queue
from dicom_node.resources import Resources
from worker.lease_keeper import kept_alive
from worker.settling import settled_or_logged

MOST_ON_ONE_WAY = 50
LONGEST_ROUND = timedelta(seconds=30)
"""Then the worker's thread is free for another Destination."""


@dataclass(frozen=True, slots=True)
class DeliveryDesk:
    """What a delivery worker does its jobs with."""

    resources: Resources
    slot: str

    def deliver(self, job_id: UUID) -> None:
        """Do one delivery job, if it is still to be done, and others to the same Destination on its way."""
        with settled_or_logged(job_id), Round(self.resources, actor=f"worker:{self.slot}") as way:
            began = time.monotonic()
            claimed = self._claim(JobId(job_id))
            for _ in range(MOST_ON_ONE_WAY):
                if claimed is None:
                    return
                held, delivery = claimed
                with kept_alive(self.resources, held):
                    way.deliver(held, delivery)
                self.resources.dispatcher_bell.ring()
                if not way.is_open or time.monotonic() - began > LONGEST_ROUND.total_seconds():
                    return
                claimed = self._claim_next(held.lane)

    def _claim(self, job_id: JobId) -> tuple[Lease, Delivery] | None:
        with self.resources.database.begin() as session:
            return self._started(session, job_id)

    def _claim_next(self, lane: str) -> tuple[Lease, Delivery] | None:
        """Claim the most urgent job to the same Destination, rung or not, while the way there is open."""
        database = self.resources.database
        with database.begin() as session:
            job_id = lanes.next_in_lane(session, Queue.DELIVERY, lane, now=database.now(session))
            return None if job_id is None else self._started(session, job_id)

    def _started(self, session: Session, job_id: JobId) -> tuple[Lease, Delivery] | None:
        now, lease = self.resources.database.now(session), self.resources.settings.lease
        held = jobs.claim(session, job_id, owner=self.slot, lease=lease, now=now)
        if held is None:
            return None
        return held, delivery_steps.start_delivery(session, held, actor=f"worker:{self.slot}", now=now)
