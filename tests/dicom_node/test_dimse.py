"""What a status means, and where a file's data set begins."""

import socket
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE, evt
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from dicom_node import dimse
from dicom_node.dimse import Status, split_file_meta
from dicom_node.domain.identifiers import is_uid
from tests.peers.pacs import Pacs
from tests.synthetic import studies


def test_a_status_is_accepted_as_the_standard_sorts_it() -> None:
    for status, (category, _) in STORAGE_SERVICE_CLASS_STATUS.items():
        assert dimse.is_accepted(status) == (category in {"Success", "Warning"}), f"{status:04X}"


def test_only_a_failure_is_tried_again() -> None:
    for status in range(0x10000):
        assert not (dimse.is_accepted(status) and dimse.is_temporary(status)), f"{status:04X}"


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xA7FF, 0x0110, 0x0213])
def test_want_of_resources_is_temporary(status: int) -> None:
    assert dimse.is_temporary(status)


@pytest.mark.parametrize("status", [0xA600, 0xA800, 0xA900, 0xA9FF, 0xC000, 0xCFFF, 0x0122, 0x0124, 0xFE00])
def test_an_answer_about_the_instance_is_final(status: int) -> None:
    assert not dimse.is_temporary(status)
    assert not dimse.is_accepted(status)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0000, "0000H success"),
        (0xA7AB, "A7ABH out of resources"),
        (0xA901, "A901H data set does not match sop class"),
        (0xCABC, "CABCH cannot understand"),
        (0xB007, "B007H stored unlike sop class"),
        (0xFFF9, "FFF9H unknown"),
    ],
)
def test_a_status_is_told_in_figures_and_words(status: int, words: str) -> None:
    assert dimse.describe(status) == words


def test_every_status_has_its_own_code() -> None:
    assert len({int(status) for status in Status}) == len(Status.__members__)


def test_the_sop_classes_are_those_of_the_standard() -> None:
    named = {UID(uid).name for uid in (*dimse.SOP_CLASSES_READ, *dimse.SOP_CLASSES_MADE)}
    assert named == {
        "Computed Radiography Image Storage",
        "Digital X-Ray Image Storage - For Presentation",
        "CT Image Storage",
        "Enhanced CT Image Storage",
        "Comprehensive 3D SR Storage",
        "Secondary Capture Image Storage",
        "Multi-frame True Color Secondary Capture Image Storage",
    }


def test_who_implemented_us_fits_the_standard() -> None:
    assert is_uid(dimse.IMPLEMENTATION_CLASS_UID)
    assert dimse.IMPLEMENTATION_CLASS_UID.startswith("2.25.")
    assert 1 <= len(dimse.IMPLEMENTATION_VERSION_NAME) <= 16


def test_nagle_is_off_on_both_ends() -> None:
    off: list[int] = []

    def look(event: evt.Event) -> None:
        dimse.set_nodelay(event)
        off.append(event.assoc.dul.socket.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with Pacs() as pacs:
        pacs._server.bind(evt.EVT_CONN_OPEN, look)
        entity = AE("US")
        entity.add_requested_context("1.2.840.10008.1.1")
        association = entity.associate(
            pacs.host, pacs.port, ae_title="PACS", evt_handlers=[(evt.EVT_CONN_OPEN, look)]
        )
        association.release()
    assert off == [1, 1]


@pytest.mark.parametrize(
    "transfer_syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_a_file_is_split_where_its_data_set_begins(tmp_path: Path, transfer_syntax: str) -> None:
    film = studies.chest_film()
    film = pydicom.dcmread(studies.write_all([film], tmp_path)[0])
    del film.PixelData
    film.file_meta.TransferSyntaxUID = transfer_syntax
    path = tmp_path / "split.dcm"
    pydicom.dcmwrite(path, film, enforce_file_format=True, implicit_vr=None)

    found = split_file_meta(path)

    content = path.read_bytes()
    meta_length = int.from_bytes(content[140:144], "little")
    assert found.offset == 144 + meta_length  # PS3.10 7.1: preamble, prefix, group length and the group
    assert found.sop_class_uid == film.SOPClassUID
    assert found.sop_instance_uid == film.SOPInstanceUID
    assert found.transfer_syntax_uid == transfer_syntax


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a DICOM file"),
        (b"MZ" * 200, "not a DICOM file"),
        (bytes(128) + b"DICM", "missing from the file meta"),
        (bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\x00", "cannot be parsed|missing"),
        (bytes(128) + b"DICM" + b"\xff" * 64, "cannot be parsed|missing"),
    ],
)
def test_what_is_no_part_10_file_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "odd.dcm"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=why):
        split_file_meta(path)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")
def test_a_malformed_uid_is_not_sent_on(tmp_path: Path) -> None:
    path = studies.write_all([studies.chest_film()], tmp_path)[0]
    uid = split_file_meta(path).sop_instance_uid.encode()
    content = path.read_bytes()
    at = content.index(uid)
    path.write_bytes(content[:at] + b"x" + content[at + 1 :])
    with pytest.raises(ValueError, match="malformed"):
        split_file_meta(path)
