"""Stored files that would break a reader of their header."""

import struct
import tracemalloc
from pathlib import Path

import pytest

from dicom_node.errors import UnreadablePixels
from tests.synthetic.studies import chest_film, enhanced_ct, part10, write
from worker.stored_headers import DEEPEST, read_header

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def nested(levels: int, vr: bytes = b"SQ") -> bytes:
    """Scheduled step sequences of known length, one in the other: parsed only when looked at."""
    inner = b""
    for _ in range(levels):
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
        inner = struct.pack("<HH2sHL", 0x0040, 0x0275, vr, 0, len(item)) + item
    return inner


def nested_undefined(levels: int) -> bytes:
    opening = struct.pack("<HH2sHLHHL", 0x40, 0x275, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    return opening * levels + struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0) * levels


def film_with(tmp_path: Path, elements: bytes) -> Path:
    whole = part10(chest_film())
    at = whole.index(b"\xe0\x7f\x10\x00OW")
    path = tmp_path / "film.dcm"
    path.write_bytes(whole[:at] + elements + whole[at:])
    return path


def test_sequences_as_deep_as_real_ones_are_read(tmp_path: Path) -> None:
    header = read_header(film_with(tmp_path, nested(DEEPEST - 1)))
    assert "RequestAttributesSequence" in header


@pytest.mark.parametrize(
    "elements",
    [
        nested(DEEPEST + 1),
        nested(3000),
        nested(3000, b"UN"),
        nested_undefined(DEEPEST + 1),
        nested_undefined(600),
    ],
    ids=["one too many", "defined", "unknown VR", "undefined", "undefined and many"],
)
def test_sequences_nested_deeper_are_unreadable(tmp_path: Path, elements: bytes) -> None:
    """Three thousand levels in 60 KB once took a worker 20 GB."""
    with pytest.raises(UnreadablePixels):
        read_header(film_with(tmp_path, elements))


def test_private_and_bulk_values_are_not_held(tmp_path: Path) -> None:
    megabytes = 32 << 20
    private = struct.pack("<HH2sH4s", 0x19, 0x10, b"LO", 4, b"EVIL")
    private += struct.pack("<HH2sHL", 0x19, 0x1001, b"OB", 0, megabytes) + bytes(megabytes)
    bulk = struct.pack("<HH2sHL", 0x42, 0x11, b"OB", 0, megabytes) + bytes(megabytes)
    path = film_with(tmp_path, private + bulk)
    tracemalloc.start()
    header = read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < megabytes / 4
    assert "EncapsulatedDocument" not in header
    assert not any(tag.is_private for tag in header.keys())  # noqa: SIM118 - a data set iterates its elements
    assert header.PatientID == chest_film().PatientID


def test_the_functional_groups_of_many_frames_are_kept(tmp_path: Path) -> None:
    header = read_header(write(enhanced_ct(slices=60), tmp_path / "ct.dcm"))
    assert len(header.PerFrameFunctionalGroupsSequence) == 60
