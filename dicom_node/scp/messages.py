"""DIMSE messages of one association, with C-STORE data sets spooled to disk as they come."""

import logging
import struct

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider, DimseServiceType
from pynetdicom.dimse_messages import C_STORE_RQ, N_EVENT_REPORT_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE, N_EVENT_REPORT
from pynetdicom.pdu_primitives import P_DATA

from dicom_node.archive import Archive
from dicom_node.intake.admission import StoreCommand
from dicom_node.scp.commitment import LONGEST_REPORT, SOP_CLASS
from dicom_node.scp.connections import Connection
from dicom_node.scp.spool import OfferedCommand, SpooledDataSet

logger = logging.getLogger(__name__)

_LONGEST_COMMAND_SET = 16 << 10
_MOST_UNANSWERED = 4
"""No asynchronous operations window is negotiated: one outstanding request is right (PS3.7 D.3.3.3)."""
_UNPARSABLE = (AttributeError, LookupError, ValueError, TypeError, RuntimeError, EOFError, struct.error)
"""What a hostile command set makes pydicom and pynetdicom raise; it would end the network thread."""
_INVALID_PDU = "Evt19"  # PS3.8 Table 9-10: answered with an A-ABORT


class SpoolingDimse(DIMSEServiceProvider):  # type: ignore[misc]  # pynetdicom is Any to mypy
    """pynetdicom's message assembly, with memory bounded whatever the peer sends.

    ``_config.STORE_RECV_CHUNKED_DATASET`` would spool too, but a full disk would abort the association
    without a status, an abort would leave the file behind, and the digest would need a second reading.
    """

    message: DIMSEMessage | None

    def __init__(self, association: Association, archive: Archive, connection: Connection) -> None:
        super().__init__(association)
        self.connection = connection
        self._archive = archive
        self._spools: list[SpooledDataSet] = []

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a P-DATA indication; a peer that breaks the bounds is aborted."""
        if self.message is None:
            self.message = self._new_message()
        if self.message.encoded_command_set.tell() > _LONGEST_COMMAND_SET or (
            self.msg_queue.qsize() >= _MOST_UNANSWERED
        ):
            self.dul.event_queue.put(_INVALID_PDU)
            return
        try:
            super().receive_primitive(primitive)
        except _UNPARSABLE as error:
            logger.warning("command set not parsed", extra={"why": type(error).__name__})
            self.dul.event_queue.put(_INVALID_PDU)
            return
        if self.message is None:
            self._spools[-1].finish()

    def discard_spools(self) -> None:
        """Remove what the association left behind; files that were handed over are not touched."""
        for spool in self._spools:
            spool.discard()

    def _new_message(self) -> DIMSEMessage:
        message = DIMSEMessage()
        message.data_set = SpooledDataSet(
            self._archive, lambda: self._offered_command(message), lambda: self._kept_in_memory(message)
        )
        self._spools = [spool for spool in self._spools if spool.is_held]
        self._spools.append(message.data_set)
        return message

    def _offered_command(self, message: DIMSEMessage) -> OfferedCommand | None:
        """Return what the command set promises; None unless it is a C-STORE in an accepted context."""
        contexts = {context.context_id: context for context in self.assoc.accepted_contexts}
        context = contexts.get(message.context_id)
        if not isinstance(message, C_STORE_RQ) or context is None:
            return None
        command = message.command_set
        return OfferedCommand(
            command=StoreCommand(
                sop_class_uid=str(command.get("AffectedSOPClassUID") or ""),
                sop_instance_uid=str(command.get("AffectedSOPInstanceUID") or ""),
                context_sop_class_uid=str(context.abstract_syntax),
                transfer_syntax_uid=str(context.transfer_syntax[0]),
            ),
            calling_ae_title=self.assoc.requestor.ae_title,
            called_ae_title=self.assoc.acceptor.ae_title,
        )

    def _kept_in_memory(self, message: DIMSEMessage) -> int:
        """Return how many bytes of a data set may be kept in memory: none, but of a commitment report."""
        is_report = isinstance(message, N_EVENT_REPORT_RQ) and _is_commitment(self.assoc, message.context_id)
        return LONGEST_REPORT if is_report else 0


def serve_requests_only(association: Association) -> None:
    """Abort an association that brings a request which is not served here; call before it starts.

    pynetdicom answers nothing at all to a response, or to a request without a UID, and the peer waits until
    its time is up; any DIMSE-N request in a presentation context of Storage it takes for a C-STORE.
    """
    serve = association._serve_request  # noqa: SLF001 - no public way to see a request before it is served

    def serve_or_abort(request: DimseServiceType, context_id: int) -> None:
        is_served = isinstance(request, (C_ECHO, C_STORE)) or (
            isinstance(request, N_EVENT_REPORT)
            and request.AffectedSOPClassUID == SOP_CLASS
            and _is_commitment(association, context_id)
        )
        if is_served and request.is_valid_request:
            serve(request, context_id)
            return
        logger.warning("no request that is served here", extra={"kind": type(request).__name__})
        association.abort()

    association._serve_request = serve_or_abort  # noqa: SLF001


def _is_commitment(association: Association, context_id: int) -> bool:
    contexts = {context.context_id: context for context in association.accepted_contexts}
    return context_id in contexts and contexts[context_id].abstract_syntax == SOP_CLASS
