"""What an Application Entity is asked after delivery: C-FIND, and storage commitment."""

import logging
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)

from dicom_node import dimse
from dicom_node.association import Peer, associate, release
from dicom_node.delivery.commitment import request_of
from dicom_node.errors import DeliveryRefused, DestinationUnreachable

logger = logging.getLogger(__name__)

_PENDING = {0xFF00, 0xFF01}  # PS3.4 Table C.4-1
_MOST_MATCHES = 100_000
"""Of one series; an answer that goes on is none."""
_REQUEST_STORAGE_COMMITMENT = 1  # Action Type ID, PS3.4 J.3.2.1.1


def find_instances(peer: Peer, wanted: Mapping[tuple[str, str], AbstractSet[str]]) -> frozenset[str]:
    """Return SOP Instance UIDs that the peer has, all wanted ones among them if it has those.

    One C-FIND at IMAGE level for each series: for the very Instance where only one is wanted, otherwise for
    all of the series, since lists of UIDs are not matched everywhere.

    Parameters
    ----------
    wanted
        SOP Instance UIDs by Study and Series Instance UID; the model is hierarchical (PS3.4 C.4.1.2.1).

    Raises
    ------
    DestinationUnreachable
        No association, or no whole answer.
    DeliveryRefused
        The peer does not offer Study Root FIND, or refuses the query.
    """
    association = associate(peer, [build_context(StudyRootQueryRetrieveInformationModelFind)])
    if not association.is_established:
        raise DeliveryRefused(f"{peer.destination} does not offer Study Root FIND")
    try:
        found: set[str] = set()
        for series, uids in sorted(wanted.items()):
            found |= _find(association, peer, series, next(iter(uids)) if len(uids) == 1 else "")
        return frozenset(found)
    finally:
        release(association)


def _find(association: Association, peer: Peer, series: tuple[str, str], instance: str) -> set[str]:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID = map(UID, series)
    query.SOPInstanceUID = UID(instance)
    found: set[str] = set()
    responses = association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
    for status, match in responses:
        code = status.get("Status")
        if code is None or len(found) > _MOST_MATCHES:
            break
        if code == dimse.Status.SUCCESS:
            return found
        if code not in _PENDING:
            raise _refusal(f"{peer.destination}: C-FIND: {dimse.describe(code)}", code)
        if match is not None:
            found.add(str(match.get("SOPInstanceUID", "")))
    association.abort()
    raise DestinationUnreachable(f"{peer.destination} did not answer the C-FIND to its end")


class CommitmentWay:
    """An association for storage commitment, kept open for a report that comes on it (PS3.4 J.3.3.1.4)."""

    def __init__(self, peer: Peer, receive_report: Callable[[Dataset], bool] | None) -> None:
        self._peer, self._receive_report = peer, receive_report
        self._association: Association | None = None

    def request(self, instances: Sequence[tuple[str, str]], transaction_uid: str) -> None:
        """Ask the peer to commit to SOP Classes and Instances.

        Raises
        ------
        DestinationUnreachable
            No association, or no answer.
        DeliveryRefused
            The peer does not offer storage commitment, or refuses this request.
        """
        response, _ = self._open().send_n_action(
            request_of(transaction_uid, instances),
            _REQUEST_STORAGE_COMMITMENT,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
        code = response.get("Status")
        if code is None:
            self.close()
            raise DestinationUnreachable(f"{self._peer.destination} did not answer the N-ACTION")
        if code != dimse.Status.SUCCESS:
            raise _refusal(f"{self._peer.destination}: N-ACTION: {dimse.describe(code)}", code)

    def close(self) -> None:
        """Release the association, if it is open."""
        if self._association is not None:
            release(self._association)
            self._association = None

    def _open(self) -> Association:
        if self._association is not None and self._association.is_established:
            return self._association
        handlers = [(evt.EVT_N_EVENT_REPORT, self._handle_report)]
        association = associate(self._peer, [build_context(StorageCommitmentPushModel)], handlers)
        if not association.is_established:
            raise DeliveryRefused(f"{self._peer.destination} does not offer storage commitment")
        self._association = association
        return association

    def _handle_report(self, event: Event) -> tuple[int, None]:
        """Success only when the report is entered; otherwise the peer reports again, to the node's SCP."""
        if self._receive_report is None:
            return dimse.Status.PROCESSING_FAILURE, None
        try:
            is_known = self._receive_report(event.event_information)
        except Exception:  # whatever a hostile data set makes pydicom raise, or a database that is away
            logger.exception("storage commitment not entered")
            return dimse.Status.PROCESSING_FAILURE, None
        return (dimse.Status.SUCCESS if is_known else dimse.Status.INVALID_ARGUMENT_VALUE), None


def _refusal(told: str, status: int) -> DeliveryRefused | DestinationUnreachable:
    return DestinationUnreachable(told) if dimse.is_temporary(status) else DeliveryRefused(told)
