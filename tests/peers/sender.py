"""A storage SCU that sends what it is told, also what no honest one would: any command, any bytes."""

import socket
from collections.abc import Sequence
from io import BytesIO
from types import TracebackType
from typing import Self

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification

from dicom_node.dimse import MAXIMUM_PDU_SIZE, SOP_CLASSES_READ
from tests.synthetic.studies import part10

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def encoded_data_set(dataset: Dataset) -> bytes:
    """Return the data set as it travels: the file without preamble and File Meta Information."""
    whole = part10(dataset)
    meta_length = int.from_bytes(whole[140:144], "little")
    return whole[144 + meta_length :]


class Sender:
    """An association to a storage SCP; a context manager that releases it."""

    def __init__(
        self,
        port: int,
        *,
        calling: str = "MODALITY",
        called: str = "DICOM_NODE",
        sop_classes: Sequence[str] = SOP_CLASSES_READ,
        transfer_syntax: str = EXPLICIT,
    ) -> None:
        entity = AE(calling)
        entity.maximum_pdu_size = MAXIMUM_PDU_SIZE
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        entity.add_requested_context(Verification)
        for sop_class in sop_classes:
            entity.add_requested_context(sop_class, transfer_syntax)
        self._sockets: list[socket.socket] = []
        self.association: Association = entity.associate(
            "127.0.0.1", port, ae_title=called, evt_handlers=[(evt.EVT_CONN_OPEN, self._remember_socket)]
        )
        if not self.association.is_established:
            self.close()

    def __enter__(self) -> Self:
        assert self.association.is_established, self.association
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association; pynetdicom leaves the socket open when the peer closes it first."""
        if self.association.is_established:
            self.association.release()
        for transport in self._sockets:
            transport.close()

    @property
    def rejection(self) -> tuple[int, int, int] | None:
        """Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
        answer = self.association.acceptor.primitive
        if not self.association.is_rejected or answer is None:
            return None
        return answer.result, answer.result_source, answer.diagnostic

    def send(self, dataset: Dataset, **command: str) -> Dataset:
        """C-STORE the data set as it is encoded; return the response."""
        return self.send_bytes(encoded_data_set(dataset), **{**_uids(dataset), **command})

    def send_bytes(
        self, data_set: bytes, *, sop_class_uid: str, sop_instance_uid: str, context: str = ""
    ) -> Dataset:
        """C-STORE any bytes under any UIDs in the presentation context of a SOP Class."""
        association, request = self.association, _request(data_set, sop_class_uid, sop_instance_uid)
        association._reactor_checkpoint.clear()
        while not association._is_paused:
            pass
        association.dimse.send_msg(request, self._context_id(context or sop_class_uid))
        _, response = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        answer = Dataset()
        answer.Status = response.Status if response is not None else None
        answer.ErrorComment = getattr(response, "ErrorComment", None)
        return answer

    def begin_and_abort(self, dataset: Dataset) -> None:
        """Send the command and the first fragments of the data set, then abort."""
        uids = _uids(dataset)
        request = _request(encoded_data_set(dataset), uids["sop_class_uid"], uids["sop_instance_uid"])
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        fragments = list(message.encode_msg(self._context_id(uids["sop_class_uid"]), 4096))
        assert len(fragments) > 4
        for fragment in fragments[:4]:
            self.association.dul.send_pdu(fragment)
        self.abort()

    def abort(self) -> None:
        """Abort the association."""
        self.association.abort()
        self.close()

    def _remember_socket(self, event: Event) -> None:
        self._sockets.append(event.assoc.dul.socket.socket)

    def _context_id(self, sop_class_uid: str) -> int:
        return next(
            context.context_id
            for context in self.association.accepted_contexts
            if context.abstract_syntax == sop_class_uid
        )


def _uids(dataset: Dataset) -> dict[str, str]:
    return {"sop_class_uid": str(dataset.SOPClassUID), "sop_instance_uid": str(dataset.SOPInstanceUID)}


def _request(data_set: bytes, sop_class_uid: str, sop_instance_uid: str) -> C_STORE:
    request = C_STORE()
    request.MessageID = 1
    request.Priority = 2
    request.AffectedSOPClassUID = sop_class_uid
    request.AffectedSOPInstanceUID = sop_instance_uid
    request.DataSet = BytesIO(data_set)
    return request
