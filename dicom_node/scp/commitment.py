"""N-EVENT-REPORT of the Storage Commitment Push Model: a Destination says what it keeps (PS3.4 J.3.3)."""

import logging
from dataclasses import dataclass

from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from dicom_node.delivery.commitment import receive_report
from dicom_node.dimse import Status
from dicom_node.errors import OutOfResources
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

SOP_CLASS = str(StorageCommitmentPushModel)
LONGEST_REPORT = 4 << 20
"""Of the encoded Event Information: some twenty thousand instances."""
_EVENT_TYPES = {1, 2}  # PS3.4 J.3.3.1: every instance is kept; some are not


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentHandler:
    """What answers N-EVENT-REPORT requests."""

    resources: Resources

    def handle_report(self, event: Event) -> tuple[int, None]:
        """Enter the report; Success only after it is committed to the database (status: PS3.7 10.1.1.1.8)."""
        request = event.request
        if str(request.AffectedSOPInstanceUID) != StorageCommitmentPushModelInstance:
            return Status.NO_SUCH_INSTANCE, None
        if request.EventTypeID not in _EVENT_TYPES:
            return Status.NO_SUCH_EVENT_TYPE, None
        actor = event.assoc.requestor.ae_title
        try:
            is_known = receive_report(self.resources, event.event_information, actor=actor)
        except OutOfResources:
            logger.exception("storage commitment not entered")
            return Status.PROCESSING_FAILURE, None
        except Exception:  # whatever a hostile data set makes pydicom raise
            logger.exception("storage commitment not read")
            return Status.INVALID_ARGUMENT_VALUE, None
        return (Status.SUCCESS if is_known else Status.INVALID_ARGUMENT_VALUE), None
