"""What the node and a decoding child say to each other: fixed headers and raw bytes, nothing to execute."""

import math
import struct
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dicom_node.domain.identifiers import SOPInstanceUID, is_uid
from dicom_node.imaging.planes import Plane, SpacingMm, Triple
from dicom_node.imaging.radiograph import Pixels, Radiograph
from dicom_node.imaging.stored_pixels import MAXIMUM_PIXELS_PER_FRAME
from dicom_node.imaging.volume import CtSlice, Hounsfield


class Request(Enum):
    """What a child is asked for."""

    FILM = b"film"
    SLICES = b"slic"


class Record(Enum):
    """What a child answers: READY once, then FILM or SLICES and DONE, or ERROR, for each request."""

    READY = b"redy"
    FILM = b"FILM"
    SLICE = b"SLIC"
    DONE = b"DONE"
    ERROR = b"ERRR"
    LAST_ERROR = b"LAST"
    """As ERROR, and the child ends itself: it is not fit for another file."""


class MalformedRecord(Exception):
    """A child said something that is no record; it cannot be trusted any more."""


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """Start of a record: what it is and how many bytes follow."""

    kind: Record
    length: int


HEADER = struct.Struct("!4sQ")
"""Four letters and the length of the rest; also the start of a request, whose rest is a path."""
_FILM = struct.Struct("!64sII2d")
_SLICE = struct.Struct("!64sII2d3d6dI")
_LONGEST_ERROR = 1000
_LONGEST = {
    Record.READY: 0,
    Record.FILM: _FILM.size + 4 * MAXIMUM_PIXELS_PER_FRAME,
    Record.SLICE: _SLICE.size + 2 * MAXIMUM_PIXELS_PER_FRAME,
    Record.DONE: 0,
    Record.ERROR: _LONGEST_ERROR,
    Record.LAST_ERROR: _LONGEST_ERROR,
}


def request(kind: Request, path: Path) -> bytes:
    """Return the request to decode a file."""
    name = str(path.resolve()).encode("utf-8", "surrogateescape")
    return HEADER.pack(kind.value, len(name)) + name


def record(kind: Record, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """Return a record in pieces, so that pixels are not copied together."""
    return [HEADER.pack(kind.value, sum(len(part) for part in parts)), *parts]


def error_record(reason: str, kind: Record = Record.ERROR) -> list[bytes | memoryview]:
    """Return the record that a file could not be decoded."""
    return record(kind, reason.encode()[:_LONGEST_ERROR])


def film_record(film: Radiograph) -> list[bytes | memoryview]:
    """Return a film as a record; the pixels as little endian float32."""
    rows, columns = film.pixels.shape
    geometry = _FILM.pack(film.sop_instance_uid.encode(), rows, columns, *(film.spacing_mm or _NO_SPACING))
    return record(Record.FILM, geometry, _bytes(film.pixels.astype("<f4", copy=False)))


def slice_record(each: CtSlice) -> list[bytes | memoryview]:
    """Return a slice as a record; the Hounsfield units as little endian int16."""
    rows, columns = each.hounsfield.shape
    geometry = _SLICE.pack(
        each.sop_instance_uid.encode(),
        rows,
        columns,
        *(each.spacing_mm or _NO_SPACING),
        *each.plane.position,
        *each.plane.row,
        *each.plane.column,
        each.frame_number,
    )
    return record(Record.SLICE, geometry, _bytes(each.hounsfield.astype("<i2", copy=False)))


def parse_header(start: bytes | bytearray) -> RecordHeader:
    """Return the start of a record.

    Raises
    ------
    MalformedRecord
        An unknown kind, or longer than such a record can be.
    """
    letters, length = HEADER.unpack(start)
    try:
        kind = Record(letters)
    except ValueError:
        raise MalformedRecord("unknown record") from None
    if length > _LONGEST[kind]:
        raise MalformedRecord("record too long")
    return RecordHeader(kind, length)


def parse_error(body: bytes | bytearray) -> str:
    """Return the reason in printable characters."""
    return "".join(letter if letter.isprintable() else " " for letter in body.decode("utf-8", "replace"))


def parse_film(body: bytearray) -> Radiograph:
    """Return the film of a record's body, sharing its memory.

    Raises
    ------
    MalformedRecord
        The body is not a film.
    """
    uid, rows, columns, *spacing = _geometry(_FILM, body)
    pixels = _pixels(body, _FILM.size, rows, columns, "<f4")
    return Radiograph(sop_instance_uid=_uid(uid), pixels=pixels, spacing_mm=_spacing(*spacing))


def parse_slice(body: bytearray) -> CtSlice:
    """Return the slice of a record's body, sharing its memory.

    Raises
    ------
    MalformedRecord
        The body is not a slice.
    """
    uid, rows, columns, *numbers, frame_number = _geometry(_SLICE, body)
    if not all(map(math.isfinite, numbers[2:])):
        raise MalformedRecord("a slice without a place")
    plane = Plane(position=_triple(numbers[2:5]), row=_triple(numbers[5:8]), column=_triple(numbers[8:11]))
    return CtSlice(
        sop_instance_uid=_uid(uid),
        frame_number=frame_number,
        hounsfield=_pixels(body, _SLICE.size, rows, columns, "<i2"),
        plane=plane,
        spacing_mm=_spacing(*numbers[:2]),
    )


_NO_SPACING = (math.nan, math.nan)


def _geometry(layout: struct.Struct, body: bytearray) -> tuple[Any, ...]:
    if len(body) < layout.size:
        raise MalformedRecord("record too short")
    return layout.unpack_from(body)


def _pixels(body: bytearray, offset: int, rows: int, columns: int, dtype: str) -> npt.NDArray[Any]:
    if min(rows, columns) < 1 or len(body) - offset != rows * columns * np.dtype(dtype).itemsize:
        raise MalformedRecord("pixels do not fit their size")
    return np.frombuffer(body, dtype, offset=offset).reshape(rows, columns)


def _bytes(array: Pixels | Hounsfield) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B")


def _uid(padded: bytes) -> SOPInstanceUID:
    text = padded.rstrip(b"\0").decode("ascii", "replace")
    if text and not is_uid(text):
        raise MalformedRecord("not a UID")
    return SOPInstanceUID(text)


def _spacing(rows_mm: float, columns_mm: float) -> SpacingMm | None:
    return (rows_mm, columns_mm) if math.isfinite(rows_mm) and math.isfinite(columns_mm) else None


def _triple(values: list[float]) -> Triple:
    return (values[0], values[1], values[2])
