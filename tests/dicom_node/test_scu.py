"""The SCU against real peers: what is accepted, what may be tried again, what is final."""

import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from dicom_node.dimse import split_file_meta
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.scu import InstanceOutcome, echo, send_instances
from tests.peers.dcmtk import StoreScp
from tests.peers.pacs import Pacs

US = AETitle("DICOM_NODE")


def write_image(
    folder: Path,
    *,
    side: int = 32,
    transfer_syntax: str = ExplicitVRLittleEndian,
    sop_class: str = SecondaryCaptureImageStorage,
) -> Path:
    """Write an image of no particular content, as small as wanted."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = sop_class, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.PatientID, image.PatientName = "P1", "Test^Image"
    image.Rows = image.Columns = side
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    pixels = bytes(range(256)) * (side * side * 2 // 256)
    compressed = transfer_syntax != ExplicitVRLittleEndian
    image.add_new("PixelData", "OB" if compressed else "OW", encapsulate([pixels]) if compressed else pixels)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = transfer_syntax
    path = folder / f"{image.SOPInstanceUID}.dcm"
    image.save_as(path, enforce_file_format=True)
    return path


def encoded(path: Path) -> bytes:
    return path.read_bytes()[split_file_meta(path).offset :]


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    return [write_image(tmp_path) for _ in range(3)]


def send(paths: list[Path], peer: Pacs | StoreScp, timeout_s: float = 10) -> list[InstanceOutcome]:
    return send_instances(paths, peer.destination, calling_ae_title=US, timeout=timedelta(seconds=timeout_s))


def nobody_there() -> Destination:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return Destination(ae_title=AETitle("PACS"), host="127.0.0.1", port=port)


def test_many_instances_go_on_one_association_and_arrive_bit_by_bit(pacs: Pacs, images: list[Path]) -> None:
    outcomes = send(images, pacs)
    assert all(outcome.accepted for outcome in outcomes)
    assert pacs.associations == 1
    assert [one.encoded for one in pacs.kept] == [encoded(path) for path in images]
    assert [outcome.sop_instance_uid for outcome in outcomes] == [
        one.sop_instance_uid for one in pacs.received
    ]
    assert {one.calling_ae_title for one in pacs.received} == {US}


def test_compressed_pixels_are_sent_as_they_are(pacs: Pacs, tmp_path: Path) -> None:
    paths = [
        write_image(tmp_path),
        write_image(tmp_path, transfer_syntax=JPEG2000Lossless, sop_class=ComputedRadiographyImageStorage),
    ]
    assert all(outcome.accepted for outcome in send(paths, pacs))
    assert [one.transfer_syntax_uid for one in pacs.kept] == [ExplicitVRLittleEndian, JPEG2000Lossless]
    assert [one.encoded for one in pacs.kept] == [encoded(path) for path in paths]


def test_dcmtk_keeps_the_very_bytes(tmp_path: Path) -> None:
    paths = [write_image(tmp_path, side=256) for _ in range(3)]
    with StoreScp(tmp_path / "received") as peer:
        assert all(outcome.accepted for outcome in send(paths, peer))
        assert sorted(encoded(path) for path in peer.files) == sorted(encoded(path) for path in paths)


def test_a_syntax_that_the_peer_does_not_take_is_refused_for_that_instance_alone(
    pacs: Pacs, tmp_path: Path
) -> None:
    first, refused, last = (
        write_image(tmp_path),
        write_image(tmp_path, transfer_syntax=JPEGBaseline8Bit),
        write_image(tmp_path),
    )
    outcomes = send([first, refused, last], pacs)
    assert [outcome.accepted for outcome in outcomes] == [True, False, True]
    assert outcomes[1].status is None
    assert not outcomes[1].temporary
    assert JPEGBaseline8Bit in outcomes[1].comment
    assert "Transfer Syntax not supported" in outcomes[1].comment


def test_a_peer_that_takes_no_kind_at_all_refuses_every_instance(pacs: Pacs, tmp_path: Path) -> None:
    outcomes = send([write_image(tmp_path, transfer_syntax=JPEGBaseline8Bit)], pacs)
    assert [(outcome.accepted, outcome.temporary) for outcome in outcomes] == [(False, False)]
    assert pacs.received == []


@pytest.mark.parametrize(
    ("status", "accepted", "temporary"),
    [
        (0x0000, True, False),
        (0xB000, True, False),
        (0xB007, True, False),
        (0xA700, False, True),
        (0xA7F3, False, True),
        (0x0110, False, True),
        (0xA900, False, False),
        (0xC000, False, False),
        (0xC123, False, False),
        (0x0122, False, False),
        (0x0124, False, False),
        (0xFFF9, False, False),
    ],
)
def test_an_answer_is_sorted_by_its_status(
    pacs: Pacs, images: list[Path], status: int, accepted: bool, temporary: bool
) -> None:
    pacs.answer(status, "said so")
    outcome = send(images[:1], pacs)[0]
    assert (outcome.status, outcome.accepted, outcome.temporary) == (status, accepted, temporary)
    assert "said so" in outcome.comment
    assert f"{status:04X}H" in outcome.comment


def test_an_aborted_association_keeps_what_was_answered_and_leaves_the_rest_for_later(
    pacs: Pacs, images: list[Path]
) -> None:
    pacs.abort_after(1)
    outcomes = send(images, pacs)
    assert [outcome.accepted for outcome in outcomes] == [True, False, False]
    assert [outcome.temporary for outcome in outcomes] == [False, True, True]
    assert all(outcome.accepted for outcome in send(images, pacs))


def test_a_peer_that_answers_too_late_is_tried_again(pacs: Pacs, images: list[Path]) -> None:
    pacs.be_slow(1.0)
    outcomes = send(images, pacs, timeout_s=0.3)
    assert [(outcome.status, outcome.temporary) for outcome in outcomes] == [(None, True)] * 3


def test_a_peer_that_no_longer_reads_does_not_hold_us_for_ever(tmp_path: Path) -> None:
    paths = [write_image(tmp_path, side=4096)]  # 32 MiB: more than the socket buffers take
    with StoreScp(tmp_path / "received") as peer, ThreadPoolExecutor() as sender:
        sending = sender.submit(send, paths, peer, timeout_s=2)
        peer.freeze_when_receiving(within_s=5)
        outcomes = sending.result(timeout=10)
    assert [outcome.temporary for outcome in outcomes] == [True]


def test_a_peer_that_dies_in_the_middle_of_an_instance_is_tried_again(tmp_path: Path) -> None:
    paths = [write_image(tmp_path, side=4096) for _ in range(2)]
    with StoreScp(tmp_path / "received") as peer, ThreadPoolExecutor() as sender:
        sending = sender.submit(send, paths, peer)
        peer.kill_when_receiving(within_s=5)
        outcomes = sending.result(timeout=20)
    assert [outcome.temporary for outcome in outcomes] == [True, True]


def test_several_deliveries_go_at_once(pacs: Pacs, tmp_path: Path) -> None:
    batches = [[write_image(tmp_path) for _ in range(5)] for _ in range(4)]
    with ThreadPoolExecutor(4) as workers:
        outcomes = [one for sent in workers.map(lambda batch: send(batch, pacs), batches) for one in sent]
    assert all(outcome.accepted for outcome in outcomes)
    assert pacs.associations == 4
    assert {one.sop_instance_uid for one in pacs.kept} == {outcome.sop_instance_uid for outcome in outcomes}


def test_no_connection_is_unreachable(images: list[Path]) -> None:
    with pytest.raises(DestinationUnreachable, match="no connection"):
        send_instances(images, nobody_there(), calling_ae_title=US)


def test_a_host_without_an_address_is_unreachable(images: list[Path]) -> None:
    nowhere = Destination(ae_title=AETitle("PACS"), host="host.invalid", port=104)
    with pytest.raises(DestinationUnreachable):
        send_instances(images, nowhere, calling_ae_title=US)


def test_a_listener_that_says_nothing_is_unreachable(images: list[Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = Destination(ae_title=AETitle("PACS"), host="127.0.0.1", port=mute.getsockname()[1])
        with pytest.raises(DestinationUnreachable, match="did not answer"):
            send_instances(images, silent, calling_ae_title=US, timeout=timedelta(seconds=0.3))


def test_a_called_ae_title_that_is_not_recognised_is_final(pacs: Pacs, images: list[Path]) -> None:
    elsewhere = Destination(ae_title=AETitle("ELSEWHERE"), host="127.0.0.1", port=pacs.port)
    with pytest.raises(DeliveryRefused, match="Called AE title not recognised"):
        send_instances(images, elsewhere, calling_ae_title=US)


def test_a_peer_that_is_full_for_now_is_unreachable(pacs: Pacs, images: list[Path]) -> None:
    pacs.limit_associations(1)
    pacs.be_slow(1.0)
    with ThreadPoolExecutor() as others:
        first = others.submit(send, images[:1], pacs)
        pacs.wait_for_associations(1, within_s=5)
        with pytest.raises(DestinationUnreachable, match="Rejected Transient"):
            send(images, pacs)
        assert first.result()[0].accepted


def test_what_is_no_dicom_file_is_not_sent(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not an image")
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04")
    missing = tmp_path / "missing.dcm"
    outcomes = send([text, images[0], broken, missing], pacs)
    assert [outcome.accepted for outcome in outcomes] == [False, True, False, False]
    assert not any(outcome.temporary for outcome in outcomes)
    assert outcomes[0].comment == "not sent: not a DICOM file (PS3.10 7.1)"
    assert outcomes[3].comment == "not sent: No such file or directory"


def test_nothing_to_send_asks_nobody() -> None:
    assert send_instances([], nobody_there(), calling_ae_title=US) == []


def test_an_echo_is_answered_and_timed(pacs: Pacs) -> None:
    result = echo(pacs.destination, calling_ae_title=US)
    assert result.accepted
    assert result.status == 0
    assert 0 < result.round_trip_s < 1


def test_dcmtk_answers_an_echo(tmp_path: Path) -> None:
    with StoreScp(tmp_path) as peer:
        assert echo(peer.destination, calling_ae_title=US).accepted


def test_an_echo_to_nobody_says_so() -> None:
    with pytest.raises(DestinationUnreachable):
        echo(nobody_there(), calling_ae_title=US)


def test_the_peer_learns_who_implemented_us(pacs: Pacs) -> None:
    echo(pacs.destination, calling_ae_title=US)
    assert pacs.implementations[-1] == ("2.25.4520068715546305722196715578174939177", "DICOM_NODE_0.1.0")


def _answering(listening: socket.socket, answer: bytes, *, then: bytes, pause_s: float) -> int:
    """Answer one association request, and go on with the same bytes until the peer has enough of it."""
    connection, _ = listening.accept()
    with connection:
        connection.settimeout(20)
        connection.recv(65536)
        sent, most = 0, 64 << 20
        try:
            connection.sendall(answer)
            while sent < most:
                connection.sendall(then)
                sent += len(then)
                time.sleep(pause_s)
        except OSError:
            pass
        return sent


@pytest.mark.parametrize(
    ("length", "then", "pause_s"),
    [(0xFFFFFFF0, bytes(1 << 20), 0.0), (0x0000FFFF, b"\0", 0.05)],
    ids=["4 GiB announced", "a byte now and then"],
)
def test_a_peer_that_never_ends_its_answer_is_left(
    images: list[Path], length: int, then: bytes, pause_s: float
) -> None:
    """The length was believed: a Destination could fill the memory of the delivery worker."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        peer = Destination(ae_title=AETitle("PACS"), host="127.0.0.1", port=listening.getsockname()[1])
        sent = pool.submit(
            _answering, listening, struct.pack(">BBL", 2, 0, length), then=then, pause_s=pause_s
        )
        with pytest.raises(DestinationUnreachable):
            send_instances(images, peer, calling_ae_title=US, timeout=timedelta(seconds=2))
        assert sent.result(timeout=10) < 32 << 20


def test_an_answer_that_no_database_or_terminal_takes_is_made_harmless(
    pacs: Pacs, images: list[Path]
) -> None:
    pacs.answer(0xC123, "no\x07\0space")
    (outcome,) = send(images[:1], pacs)
    assert outcome.comment == "C123H cannot understand: no\ufffd\ufffdspace"
