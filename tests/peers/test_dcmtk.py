"""DCMTK as peer: loopback only, and it keeps and sends the very bytes."""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydicom.uid import JPEGLSLossless

from dicom_node.dimse import split_file_meta
from tests.peers.dcmtk import StoreScp, dcmsend, echoscu, storescu
from tests.peers.pacs import Pacs
from tests.synthetic import studies


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "films"
    folder.mkdir()
    return studies.write_all([studies.chest_film(study=51), studies.chest_film(study=52)], folder)


def encoded(path: Path) -> bytes:
    return path.read_bytes()[split_file_meta(path).offset :]


def test_echoscu_is_answered(pacs: Pacs) -> None:
    assert echoscu(pacs.destination).returncode == 0


@pytest.mark.parametrize("send", [dcmsend, storescu])
def test_what_it_sends_arrives(pacs: Pacs, films: list[Path], send: object) -> None:
    assert callable(send)
    finished = send(films, pacs.destination, calling_ae_title="MODALITY")
    assert finished.returncode == 0, finished.stdout
    assert sorted(one.encoded for one in pacs.kept) == sorted(encoded(path) for path in films)
    assert {one.calling_ae_title for one in pacs.kept} == {"MODALITY"}


def test_dcmsend_sends_compressed_pixels_as_they_are(pacs: Pacs, tmp_path: Path) -> None:
    path = tmp_path / "compressed.dcm"
    studies.write(studies.compressed(studies.chest_film(study=53), JPEGLSLossless), path)
    assert dcmsend([path], pacs.destination).returncode == 0
    assert [one.transfer_syntax_uid for one in pacs.kept] == [JPEGLSLossless]


def test_a_refusal_is_seen_in_the_report_alone(pacs: Pacs, films: list[Path]) -> None:
    pacs.answer(0xA700)
    finished = dcmsend(films, pacs.destination)
    assert finished.returncode == 0
    assert re.search(r"with status REFUSED +: 2", finished.stdout)


def test_storescp_keeps_what_dcmsend_sends(films: list[Path], tmp_path: Path) -> None:
    with StoreScp(tmp_path / "received") as peer:
        assert dcmsend(films, peer.destination).returncode == 0
        assert sorted(map(encoded, peer.files)) == sorted(map(encoded, films))


def test_storescp_is_reached_on_loopback_alone(films: list[Path], tmp_path: Path) -> None:
    with StoreScp(tmp_path / "received") as peer:
        listening = [
            connection.laddr
            for connection in psutil.Process().net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", peer.destination.port)]


def test_storescp_goes_down_and_comes_back_on_the_same_port(films: list[Path], tmp_path: Path) -> None:
    with StoreScp(tmp_path / "received") as peer:
        peer.go_down()
        assert echoscu(peer.destination).returncode != 0
        peer.come_up()
        assert dcmsend(films, peer.destination).returncode == 0
        assert len(peer.files) == len(films)
