"""Delivery jobs: claim, send, settle. Imports no model, so that a delivery worker is small."""

from dataclasses import dataclass
from uuid import UUID

from dicom_node.database import delivery_steps, jobs
from dicom_node.delivery.sending import deliver
from dicom_node.domain.delivery import Delivery
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import Lease
from dicom_node.resources import Resources
from worker.lease_keeper import kept_alive
from worker.settling import settled_or_logged


@dataclass(frozen=True, slots=True)
class DeliveryDesk:
    """What a delivery worker does its jobs with."""

    resources: Resources
    slot: str

    def deliver(self, job_id: UUID) -> None:
        """Do one delivery job, if it is still to be done."""
        with settled_or_logged(job_id):
            claimed = self._claim(job_id)
            if claimed is None:
                return
            held, delivery = claimed
            with kept_alive(self.resources, held):
                deliver(self.resources, held, delivery, actor=f"worker:{self.slot}")
            self.resources.dispatcher_bell.ring()

    def _claim(self, job_id: UUID) -> tuple[Lease, Delivery] | None:
        database = self.resources.database
        with database.begin() as session:
            now = database.now(session)
            held = jobs.claim(
                session, JobId(job_id), owner=self.slot, lease=self.resources.settings.lease, now=now
            )
            if held is None:
                return None
            return held, delivery_steps.start_delivery(session, held, actor=f"worker:{self.slot}", now=now)
