"""Decoding child: ``python -m dicom_node.imaging.decoder_child`` reads files for the node, within limits.

A parser of other people's files is the part of the node most likely to hang, to crash or to be attacked, so
it has a process of its own: without the node's environment, with little memory and time.
"""

import ctypes
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

from pydicom import config, dcmread

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.radiograph import read_radiograph
from dicom_node.imaging.volume import read_slices
from dicom_node.imaging.wire import (
    HEADER,
    Record,
    Request,
    error_record,
    film_record,
    record,
    slice_record,
)

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_NICENESS = 2
_LONGEST_PATH = 1 << 16
_LEAST_ROOM = 64 << 20
_DAMAGE = (b"Corrupt JPEG data", b"Premature end of JPEG", b"size inconsistent with stream length")
"""What libjpeg and OpenJPEG only print when they have filled damaged parts with something."""

Pieces = list[bytes | memoryview]


def main() -> None:
    """Answer requests on standard input until it ends; arguments: parent's pid, bytes of memory, seconds."""
    parent, memory_bytes, timeout_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    _die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    warnings.simplefilter("ignore")
    config.settings.reading_validation_mode = config.IGNORE
    bytearray(_LEAST_ROOM)  # or end here, not at the first film
    answers, remarks = _take_standard_streams()
    _write(answers, record(Record.READY))
    while (asked := _read_request()) is not None:
        _renew_cpu_limit(timeout_s)
        remarks.seek(0)
        remarks.truncate()
        for pieces in _answer(*asked, remarks.fileno()):
            _write(answers, pieces)


def _answer(kind: Request, path: Path, remarks: int) -> Iterator[Pieces]:
    try:
        yield from _records(kind, path)
        said = os.pread(remarks, 1 << 16, 0)
        if any(words in said for words in _DAMAGE):
            raise UnreadablePixels("the compressed pixel data are damaged")
        yield record(Record.DONE)
    except UnreadablePixels as error:
        yield error_record(str(error))
    except MemoryError:
        yield error_record("decoding needs more memory than it is allowed", Record.LAST_ERROR)
        sys.exit(1)  # what is left of the memory may be in pieces
    except BaseException as error:  # noqa: BLE001 - the door of the parsers; a Rust panic is no Exception
        yield error_record(f"the file cannot be read: {type(error).__name__}")


def _records(kind: Request, path: Path) -> Iterable[Pieces]:
    dataset = dcmread(path)
    match kind:
        case Request.FILM:
            yield film_record(read_radiograph(dataset))
        case Request.SLICES:
            yield from map(slice_record, read_slices(dataset))


def _die_with_parent(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # died before the line above
        sys.exit(1)


def _take_standard_streams() -> tuple[int, FileIO]:
    """Keep standard output for answers alone, and standard error where we can read what libraries remark."""
    answers = os.dup(1)
    remarks = FileIO(os.memfd_create("remarks"), "r+")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(remarks.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    return answers, remarks


def _renew_cpu_limit(timeout_s: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + timeout_s) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _read_request() -> tuple[Request, Path] | None:
    start = _read(HEADER.size)
    if len(start) < HEADER.size:
        return None
    letters, length = HEADER.unpack(start)
    name = _read(min(length, _LONGEST_PATH))
    return Request(letters), Path(name.decode("utf-8", "surrogateescape"))


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count and (part := os.read(0, count - len(parts))):
        parts += part
    return bytes(parts)


def _write(descriptor: int, pieces: Pieces) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
