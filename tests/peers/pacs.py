"""A small storage SCP that remembers every C-STORE and can be told to misbehave.

Also the receiving PACS of the demo: ``python tests/peers/pacs.py --port 0 --folder received``.
"""

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    AllTransferSyntaxes,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from dicom_node import dimse
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle

ANY_SYNTAX = tuple(str(syntax) for syntax in AllTransferSyntaxes)
USUAL_SYNTAXES = tuple(
    str(syntax)
    for syntax in (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
        RLELossless,
    )
)
STORAGE = dimse.SOP_CLASSES_READ + dimse.SOP_CLASSES_MADE


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One C-STORE, whatever was answered."""

    at: datetime
    monotonic: float
    sop_instance_uid: str
    sop_class_uid: str
    calling_ae_title: str
    transfer_syntax_uid: str
    status: int
    encoded: bytes
    """The data set as it came over the network."""
    part10: bytes
    """The same with preamble and File Meta Information."""

    def dataset(self) -> Dataset:
        return pydicom.dcmread(BytesIO(self.part10))


class Pacs:
    """A receiving PACS, on loopback unless told otherwise; a context manager."""

    def __init__(
        self,
        *,
        ae_title: str = "PACS",
        host: str = "127.0.0.1",
        port: int = 0,
        folder: Path | None = None,
        sop_classes: tuple[str, ...] = STORAGE,
        transfer_syntaxes: tuple[str, ...] = USUAL_SYNTAXES,
        calling_ae_titles: tuple[str, ...] = (),
        offers_commitment: bool = True,
    ) -> None:
        self.ae_title, self.host, self.port = ae_title, host, port
        self._folder = folder
        self._entity = AE(ae_title)
        self._entity.maximum_pdu_size = dimse.MAXIMUM_PDU_SIZE
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = list(calling_ae_titles)
        self._entity.add_supported_context(Verification)
        self._entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        if offers_commitment:
            self._entity.add_supported_context(StorageCommitmentPushModel)
        for sop_class in sop_classes:
            self._entity.add_supported_context(sop_class, list(transfer_syntaxes))
        self._server: ThreadedAssociationServer | None = None
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._status = 0x0000
        self._comment = ""
        self._delay_s = 0.0
        self._aborts_at: int | None = None
        self._refused: dict[str, int] = {}
        self._losing = 0
        self._holds: set[str] = set()
        self._reports_to: Destination | None = None
        self._reporting: list[threading.Thread] = []
        self.found: list[str] = []
        self.commitments = 0
        self.associations = 0
        self.implementations: list[tuple[str, str]] = []

    @property
    def destination(self) -> Destination:
        return Destination(ae_title=AETitle(self.ae_title), host=self.host, port=self.port)

    def __enter__(self) -> Self:
        self.come_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_down()

    def come_up(self) -> None:
        """Listen; after a break on the port that it had."""
        handlers = [
            (evt.EVT_CONN_OPEN, dimse.set_nodelay),
            (evt.EVT_ACCEPTED, self._count_association),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_N_ACTION, self._commit),
        ]
        self._server = self._entity.make_server(
            (self.host, self.port), evt_handlers=handlers, server_class=ThreadedAssociationServer
        )
        self._entity._servers.append(self._server)  # start_server does so, but polls for its end each 0.5 s
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()

    def go_down(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
            for association in self._entity.active_associations:
                association.abort()
        self.wait_until_reported(10)

    def wait_until_reported(self, within_s: float) -> None:
        """Return as soon as every commitment that was asked for has been reported and answered."""
        while self._reporting:
            reporting = self._reporting.pop()
            reporting.join(within_s)
            assert not reporting.is_alive()

    def lose(self, count: int) -> None:
        """Answer Success to so many more C-STOREs and keep nothing of them: a liar."""
        with self._changed:
            self._losing = count

    def report_to(self, destination: Destination | None) -> None:
        """Report storage commitment there, on an association of its own; None: take requests, say nothing."""
        self._reports_to = destination

    def refuse(self, sop_instance_uid: str, status: int) -> None:
        """Answer C-STOREs of this Instance alone with this status from now on."""
        self._refused[sop_instance_uid] = status

    def answer(self, status: int, comment: str = "") -> None:
        """Answer every C-STORE with this status from now on."""
        self._status, self._comment = status, comment

    def be_slow(self, delay_s: float) -> None:
        """Wait so long before every answer from now on."""
        self._delay_s = delay_s

    def abort_after(self, answered: int) -> None:
        """Answer so many more C-STOREs, then abort the association instead of answering, once."""
        with self._changed:
            self._aborts_at = len(self._received) + answered

    def limit_associations(self, most: int) -> None:
        """Reject more associations than this as a local limit that will pass (PS3.8 Table 9-21: 2, 3, 2)."""
        self._entity.maximum_associations = most

    @property
    def received(self) -> list[Received]:
        """Every C-STORE that was answered, oldest first."""
        with self._changed:
            return list(self._received)

    @property
    def kept(self) -> list[Received]:
        """Those that were answered with Success or a warning."""
        return [one for one in self.received if dimse.is_accepted(one.status)]

    def wait_for(self, condition: Callable[[list[Received]], bool], within_s: float) -> list[Received]:
        """Return what was received as soon as the condition holds of it; fail after the time."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._received), within_s):
                raise AssertionError(
                    f"{len(self._received)} instances received in {within_s} s, not as waited for"
                )
            return list(self._received)

    def wait_for_associations(self, count: int, within_s: float) -> None:
        """Return as soon as so many associations have been accepted since the start."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.associations >= count, within_s)

    def _count_association(self, event: Event) -> None:
        with self._changed:
            self.associations += 1
            self._changed.notify_all()
        peer = event.assoc.requestor
        self.implementations.append(
            (str(peer.implementation_class_uid), str(peer.implementation_version_name))
        )

    def _store(self, event: Event) -> int | Dataset:
        if self._delay_s:
            time.sleep(self._delay_s)
        with self._changed:
            if self._aborts_at is not None and len(self._received) >= self._aborts_at:
                self._aborts_at = None
                event.assoc.abort()
                return 0xC000
            status = self._refused.get(str(event.request.AffectedSOPInstanceUID), self._status)
            received = _received(event, status)
            if self._losing:
                self._losing -= 1
            elif dimse.is_accepted(status):
                self._holds.add(received.sop_instance_uid)
            if self._folder is not None and dimse.is_accepted(status):
                _write(self._folder, received)
            self._received.append(received)
            self._changed.notify_all()
        answer = Dataset()
        answer.Status = status
        if self._comment:
            answer.ErrorComment = self._comment
        return answer

    def _find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        wanted = str(query.get("SOPInstanceUID", ""))
        with self._changed:
            self.found.append(wanted)
            held = {
                one.sop_instance_uid: one for one in self._received if one.sop_instance_uid in self._holds
            }
        for uid, one in held.items():
            if wanted in {"", uid} and one.dataset().SeriesInstanceUID == query.SeriesInstanceUID:
                query.SOPInstanceUID = uid
                yield 0xFF00, query

    def _commit(self, event: Event) -> tuple[int, None]:
        with self._changed:
            self.commitments += 1
        reports_to = self._reports_to
        if reports_to is not None:
            reporting = threading.Thread(target=self._report, args=(event.action_information, reports_to))
            self._reporting.append(reporting)
            reporting.start()
        return 0x0000, None

    def _report(self, request: Dataset, to: Destination) -> None:
        report, failed = Dataset(), []
        report.TransactionUID = request.TransactionUID
        report.ReferencedSOPSequence = []
        for item in request.ReferencedSOPSequence:
            if item.ReferencedSOPInstanceUID in self._holds:
                report.ReferencedSOPSequence.append(item)
            else:
                item.FailureReason = 0x0112
                failed.append(item)
        if failed:
            report.FailedSOPSequence = failed
        entity = AE(self.ae_title)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        contexts = [build_context(StorageCommitmentPushModel)]
        association = entity.associate(to.host, to.port, contexts, to.ae_title, ext_neg=[role])
        if association.is_established:
            association.send_n_event_report(
                report,
                2 if failed else 1,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
            association.release()


def _received(event: Event, status: int) -> Received:
    return Received(
        at=datetime.now(UTC),
        monotonic=time.monotonic(),
        sop_instance_uid=str(event.request.AffectedSOPInstanceUID),
        sop_class_uid=str(event.request.AffectedSOPClassUID),
        calling_ae_title=event.assoc.requestor.ae_title,
        transfer_syntax_uid=str(event.context.transfer_syntax),
        status=status,
        encoded=event.request.DataSet.getvalue(),
        part10=event.encoded_dataset(),
    )


def _write(folder: Path, received: Received) -> None:
    """Write under the final name only what is complete: others poll the folder."""
    part = folder / f".{received.sop_instance_uid}.part"
    part.write_bytes(received.part10)
    part.rename(folder / f"{received.sop_instance_uid}.dcm")


def main() -> None:
    """Run until the process is told to stop; the first line says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ae-title", default="PACS")
    parser.add_argument("--folder", type=Path, required=True, help="where received instances are written")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    pacs = Pacs(
        ae_title=arguments.ae_title,
        port=arguments.port,
        folder=arguments.folder,
        transfer_syntaxes=ANY_SYNTAX,
    )
    with pacs:
        print(pacs.destination, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
