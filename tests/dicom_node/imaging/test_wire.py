import struct
from pathlib import Path

import numpy as np
import pytest

from dicom_node.imaging import wire
from dicom_node.imaging.radiograph import read_radiograph
from dicom_node.imaging.volume import read_slice
from dicom_node.imaging.wire import HEADER, MalformedRecord, Record, Request
from tests.synthetic.studies import chest_film, ct_series


def body_of(pieces: list[bytes | memoryview]) -> bytearray:
    return bytearray(b"".join(pieces)[HEADER.size :])


@pytest.mark.parametrize("spacing", [[0.2, 0.1], None])
def test_a_film_survives_the_wire(spacing: list[float] | None) -> None:
    film = read_radiograph(chest_film(ImagerPixelSpacing=spacing))
    received = wire.parse_film(body_of(wire.film_record(film)))
    np.testing.assert_array_equal(received.pixels, film.pixels)
    assert (received.sop_instance_uid, received.spacing_mm) == (film.sop_instance_uid, film.spacing_mm)


def test_a_slice_survives_the_wire() -> None:
    each = read_slice(ct_series(slices=3)[2])
    received = wire.parse_slice(body_of(wire.slice_record(each)))
    np.testing.assert_array_equal(received.hounsfield, each.hounsfield)
    assert received.plane == each.plane
    assert received.spacing_mm == each.spacing_mm
    assert (received.sop_instance_uid, received.frame_number) == (each.sop_instance_uid, 1)


def test_a_request_carries_the_absolute_path() -> None:
    letters, length = HEADER.unpack(wire.request(Request.FILM, Path("x.dcm"))[: HEADER.size])
    assert letters == b"film"
    assert length == len(str(Path("x.dcm").resolve()))


@pytest.mark.parametrize(
    "start",
    [
        HEADER.pack(b"EVIL", 0),
        HEADER.pack(b"SLIC", 1 << 40),
        HEADER.pack(b"DONE", 1),
        HEADER.pack(b"ERRR", 5000),
    ],
)
def test_a_strange_or_endless_record_is_refused_before_it_is_read(start: bytes) -> None:
    with pytest.raises(MalformedRecord):
        wire.parse_header(start)


def test_a_record_whose_pixels_do_not_fit_is_refused() -> None:
    body = body_of(wire.slice_record(read_slice(ct_series(slices=1)[0])))
    for broken in (body[:-2], body[:40], body + b"\0\0"):
        with pytest.raises(MalformedRecord):
            wire.parse_slice(broken)
    body[64:72] = struct.pack("!II", 0, 0)
    with pytest.raises(MalformedRecord):
        wire.parse_slice(body)


def test_a_uid_that_is_none_is_refused() -> None:
    body = body_of(wire.film_record(read_radiograph(chest_film())))
    body[:8] = b"../../et"
    with pytest.raises(MalformedRecord):
        wire.parse_film(body)


def test_a_reason_is_printable_and_short() -> None:
    (start, *rest) = wire.error_record("bad\x1b[31m\n" + "x" * 5000)
    assert wire.parse_header(bytes(start)).kind is Record.ERROR
    text = wire.parse_error(b"".join(rest))
    assert text.startswith("bad [31m ")
    assert len(text) <= 1000
