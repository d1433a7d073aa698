"""What SCP and SCU share of DIMSE: SOP Classes, status codes, limits, socket options, encoded bytes."""

import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path

from pydicom import uid
from pydicom.errors import BytesLengthException
from pynetdicom import _config
from pynetdicom.dsutils import split_dataset
from pynetdicom.events import Event
from pynetdicom.transport import AssociationSocket

from dicom_node.domain.identifiers import SOPInstanceUID, derived_uid, is_uid

# pynetdicom's documented switches: files are sent as they lie there, never decoded and encoded again, which
# may change them; and PDUs are not logged, which costs time and would write attributes into the log.
_config.STORE_SEND_CHUNKED_DATASET = True
_config.LOG_HANDLER_LEVEL = "none"

SOP_CLASSES_READ = (
    str(uid.ComputedRadiographyImageStorage),
    str(uid.DigitalXRayImageStorageForPresentation),
    str(uid.CTImageStorage),
    str(uid.EnhancedCTImageStorage),
)
"""Storage SOP Classes that the node takes in (PS3.4 B.5)."""

SOP_CLASSES_MADE = (
    str(uid.Comprehensive3DSRStorage),
    str(uid.SecondaryCaptureImageStorage),
    str(uid.MultiFrameTrueColorSecondaryCaptureImageStorage),
)
"""Storage SOP Classes of the results that the node sends."""

IMPLEMENTATION_CLASS_UID = derived_uid("Implementation Class UID")
IMPLEMENTATION_VERSION_NAME = f"DICOM_NODE_{version('dicom-node')}"[:16]
"""Told to every peer, at most 16 characters (PS3.7 D.3.3.2)."""

MAXIMUM_PDU_SIZE = 131_072
"""Longest P-DATA-TF that we take: 16 KiB costs throughput; 0, no limit, lets a peer choose our memory."""

LONGEST_PDU = 256 << 10
"""No PDU that is worth reading is longer: we offer half of it, an A-ASSOCIATE stays far below."""

CONNECTION_TIMEOUT = timedelta(seconds=5)
ACSE_TIMEOUT = timedelta(seconds=10)
"""For the answer to an A-ASSOCIATE or A-RELEASE request; in the SCP the ARTIM timer (PS3.8 9.1.5)."""
DIMSE_TIMEOUT = timedelta(seconds=60)
"""For the answer to one C-STORE: a peer under load may sync its disk first."""
KEEPALIVE = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
"""Seconds of silence until TCP asks, seconds between two questions, questions without an answer."""

MOST_PRESENTATION_CONTEXTS = 128
"""Odd IDs from 1 to 255 (PS3.8 9.3.2.2)."""


class Status(IntEnum):
    """DIMSE status codes that the node answers or tells apart (PS3.4 B.2.3, PS3.7 Annex C)."""

    SUCCESS = 0x0000
    OUT_OF_RESOURCES = 0xA700  # PS3.4 Table B.2-1: A7xx; the sender should try again
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900  # A9xx
    CANNOT_UNDERSTAND = 0xC000  # Cxxx
    COERCION_OF_DATA_ELEMENTS = 0xB000  # warning: stored
    ELEMENTS_DISCARDED = 0xB006  # warning: stored
    STORED_UNLIKE_SOP_CLASS = 0xB007  # warning: stored
    PROCESSING_FAILURE = 0x0110  # PS3.7 Annex C
    DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 Annex C
    NO_SUCH_INSTANCE = 0x0112  # PS3.7 Annex C
    NO_SUCH_EVENT_TYPE = 0x0113  # PS3.7 Annex C
    INVALID_ARGUMENT_VALUE = 0x0115  # PS3.7 Annex C
    INVALID_SOP_INSTANCE = 0x0117  # PS3.7 Annex C
    SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 Annex C
    NOT_AUTHORIZED = 0x0124  # PS3.7 Annex C
    RESOURCE_LIMITATION = 0x0213  # PS3.7 Annex C


_WARNINGS_OF_ANY_SERVICE = {0x0001, 0x0107, 0x0116}  # PS3.7 Annex C
_WORDS = {int(status): status.name.lower().replace("_", " ") for status in Status}


def is_accepted(status: int) -> bool:
    """Tell whether the peer has the Instance: Success, or a warning (PS3.4 B.2.3: Bxxx)."""
    return status == Status.SUCCESS or status & 0xF000 == 0xB000 or status in _WARNINGS_OF_ANY_SERVICE


def is_temporary(status: int) -> bool:
    """Tell whether the same C-STORE may be answered otherwise later.

    Refused for want of resources (A7xx, 0213H) and a general processing failure (0110H), which says nothing
    of the data set. Every other failure, A9xx and Cxxx first of all, would be the same answer again.
    """
    return status & 0xFF00 == 0xA700 or status in {Status.PROCESSING_FAILURE, Status.RESOURCE_LIMITATION}


def describe(status: int) -> str:
    """Return the status in figures and words, for people."""
    family = status & (0xF000 if status & 0xF000 == Status.CANNOT_UNDERSTAND else 0xFF00)
    return f"{status:04X}H {_WORDS.get(status) or _WORDS.get(family) or 'unknown'}"


_NEEDED = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
_UNPARSABLE = (EOFError, KeyError, ValueError, NotImplementedError, struct.error, BytesLengthException)


def set_nodelay(event: Event) -> None:
    """Switch Nagle's algorithm off; bind to ``EVT_CONN_OPEN``.

    A DIMSE message ends in a short segment; with Nagle on, that waits 40 ms for the peer's delayed ACK.
    """
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def notice_dead_peer(event: Event) -> None:
    """Have TCP ask whether the peer's machine still knows the connection; bind to ``EVT_CONN_OPEN``.

    Behind a cut cable a peer may die, or start again, without a word, and who waits for its answer would do
    so for the whole DIMSE time-out. A peer that is merely slow is not disturbed: its kernel answers.
    """
    transport = event.assoc.dul.socket.socket
    transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):  # not on every system
            transport.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _close_for_certain(transport: AssociationSocket) -> None:
    """Shut down and close; pynetdicom's own leaves it open where there is nothing to shut down."""
    if transport.socket is not None:
        with suppress(OSError):
            transport.socket.shutdown(socket.SHUT_RDWR)
        transport.socket.close()


def read_within_bounds(transport: AssociationSocket, nr_bytes: int, patience_s: float) -> bytearray:
    """Read exactly so many bytes, fewer when the peer closed.

    pynetdicom believes every length up to 4 GiB, and waits without end for a peer that sends a byte now and
    then.

    Raises
    ------
    OSError
        The PDU is longer than allowed, or did not come in time: pynetdicom closes the connection.
    """
    if nr_bytes > LONGEST_PDU:
        raise OSError(f"a PDU of {nr_bytes} bytes is announced")
    deadline = time.monotonic() + patience_s
    received, wanted = 0, bytearray(nr_bytes)
    with memoryview(wanted) as view:
        while received < nr_bytes:
            transport.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            count = transport.socket.recv_into(view[received:])
            if not count:
                break
            received += count
    return wanted[:received] if received < nr_bytes else wanted


# The only change that we make to pynetdicom: each refused connection, and each that the peer closed first,
# would keep its descriptor until the garbage collector comes by. The tests of scu fail without it.
AssociationSocket._shutdown_socket = _close_for_certain  # noqa: SLF001


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedInstance:
    """A Part 10 file by its File Meta Information, and where its encoded data set begins."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: SOPInstanceUID
    transfer_syntax_uid: str
    offset: int
    """Bytes before the data set: preamble, prefix and File Meta Information (PS3.10 7.1)."""


def split_file_meta(path: Path) -> EncodedInstance:
    """Return what the File Meta Information says, and the offset of the data set's encoded bytes.

    Raises
    ------
    ValueError
        Not a Part 10 file, or one of the three UIDs that sending needs is missing or malformed.
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            raise ValueError("not a DICOM file (PS3.10 7.1)")
    uids, offset = _parse(path)
    if not all(is_uid(text) for text in uids):
        raise ValueError("a UID is missing from the file meta, or malformed")
    return EncodedInstance(
        path=path,
        sop_class_uid=uids[0],
        sop_instance_uid=SOPInstanceUID(uids[1]),
        transfer_syntax_uid=uids[2],
        offset=offset,
    )


def _parse(path: Path) -> tuple[list[str], int]:
    """Return UIDs and offset; whatever a broken header makes pydicom raise means the same here."""
    try:
        meta, offset = split_dataset(path)
        return [str(meta.get(keyword, "")) for keyword in _NEEDED], offset
    except _UNPARSABLE as error:
        raise ValueError("the File Meta Information cannot be parsed") from error
