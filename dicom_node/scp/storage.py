"""C-STORE: from the data set on disk to the status that the sender reads."""

import logging
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom.events import Event

from dicom_node.database.studies import Sender
from dicom_node.dimse import Status, describe
from dicom_node.domain.text import printable
from dicom_node.errors import DicomNodeError, InstanceRefused, OutOfResources, RefusalReason
from dicom_node.intake.reception import receive_instance, record_refusal
from dicom_node.resources import Resources
from dicom_node.scp.connections import Connection
from dicom_node.scp.spool import SpooledDataSet

logger = logging.getLogger(__name__)

STATUS_OF_REFUSAL: dict[RefusalReason, int] = {
    RefusalReason.UNSUPPORTED_SOP_CLASS: Status.SOP_CLASS_NOT_SUPPORTED,  # PS3.7 C.5.6
    RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX: Status.CANNOT_UNDERSTAND,  # PS3.4 Table B.2-1, Cxxx
    RefusalReason.UID_MISMATCH: Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,  # PS3.4 Table B.2-1, A9xx
    RefusalReason.INVALID_UID: Status.CANNOT_UNDERSTAND,
    RefusalReason.TRUNCATED: Status.CANNOT_UNDERSTAND,
    RefusalReason.CONFLICT: Status.DUPLICATE_SOP_INSTANCE,  # PS3.7 Annex C
    RefusalReason.PATIENT_MISMATCH: Status.CANNOT_UNDERSTAND + 1,
    RefusalReason.OWN_OUTPUT: Status.CANNOT_UNDERSTAND + 2,
}
"""The one table from why an Instance is not taken to what its sender is told."""

UNEXPECTED = Status.CANNOT_UNDERSTAND + 0xFF
"""Something that this node did not foresee; the log says what, the sender is told nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHandler:
    """What answers C-STORE requests: the resources, and what this installation takes."""

    resources: Resources
    sop_classes: frozenset[str]
    transfer_syntaxes: frozenset[str]

    def handle_store(self, event: Event, connection: Connection) -> Dataset:
        """Keep the Instance; Success only after its bytes are synced and its row is committed."""
        sender = Sender(
            association_id=connection.association_id, calling_ae_title=event.assoc.requestor.ae_title
        )
        sop_instance_uid = printable(str(event.request.AffectedSOPInstanceUID or "")[:64])
        facts = {"sop_instance_uid": sop_instance_uid, "association": sender.association_id}
        try:
            self._receive(event.request.DataSet, sender, connection, sop_instance_uid)
        except (InstanceRefused, OutOfResources) as error:
            status, words = answer_to(error)
            logger.warning("instance refused", extra={**facts, "status": describe(status), "why": str(error)})
            return _response(status, words)
        except Exception:
            logger.exception("instance not received", extra=facts)
            self._record_refusal(DicomNodeError("unexpected error, see the log"), sender, sop_instance_uid)
            return _response(UNEXPECTED, "unexpected error in the node")
        return _response(Status.SUCCESS)

    def _receive(
        self, data_set: SpooledDataSet, sender: Sender, connection: Connection, sop_instance_uid: str
    ) -> None:
        try:
            offered = data_set.offered()
        except (InstanceRefused, OutOfResources) as error:
            self._record_refusal(error, sender, sop_instance_uid)
            raise
        received = receive_instance(
            self.resources,
            offered,
            sender=sender,
            sop_classes=self.sop_classes,
            transfer_syntaxes=self.transfer_syntaxes,
        )
        study_instance_uid = received.header.study_instance_uid
        if study_instance_uid not in connection.studies_seen:
            connection.studies_seen.add(study_instance_uid)
            self.resources.dispatcher_bell.ring()
        logger.info(
            "instance received",
            extra={
                "sop_instance_uid": sop_instance_uid,
                "study_instance_uid": study_instance_uid,
                "recorded": received.recorded.value,
                "bytes": offered.size,
            },
        )

    def _record_refusal(self, error: DicomNodeError, sender: Sender, sop_instance_uid: str) -> None:
        record_refusal(self.resources, error, sender=sender, sop_instance_uid=sop_instance_uid)


def answer_to(error: InstanceRefused | OutOfResources) -> tuple[int, str]:
    """Return the status of the error and the Error Comment (0000,0902) that goes with it."""
    if isinstance(error, OutOfResources):
        return Status.OUT_OF_RESOURCES, "the node has no space or no database, try again"
    return STATUS_OF_REFUSAL[error.reason], error.reason.value


def _response(status: int, comment: str = "") -> Dataset:
    response = Dataset()
    response.Status = status
    if comment:
        response.ErrorComment = comment[:64]  # LO, PS3.7 Annex E.2
    return response
