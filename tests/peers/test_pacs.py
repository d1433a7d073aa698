"""The PACS that remembers, as a part of a test and as a program of its own."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DestinationUnreachable
from dicom_node.scu import send_instances
from dicom_node.settings import parse_destination
from tests.peers.pacs import Pacs
from tests.synthetic import studies

ROOT = Path(__file__).parents[2]
US = AETitle("DICOM_NODE")


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return studies.write_all([studies.chest_film(study=61)], tmp_path)[0]


def test_it_remembers_what_was_sent_and_what_it_answered(pacs: Pacs, film: Path) -> None:
    pacs.answer(0xA700)
    send_instances([film], pacs.destination, calling_ae_title=US)
    pacs.answer(0x0000)
    send_instances([film], pacs.destination, calling_ae_title=US)
    assert [one.status for one in pacs.received] == [0xA700, 0x0000]
    assert [one.dataset().SOPInstanceUID for one in pacs.kept] == [
        studies.chest_film(study=61).SOPInstanceUID
    ]
    assert pacs.received[0].at < pacs.received[1].at


def test_it_goes_down_and_comes_back_on_the_same_port(pacs: Pacs, film: Path) -> None:
    pacs.go_down()
    with pytest.raises(DestinationUnreachable):
        send_instances([film], pacs.destination, calling_ae_title=US)
    pacs.come_up()
    assert send_instances([film], pacs.destination, calling_ae_title=US)[0].accepted


def test_waiting_for_what_does_not_come_fails(pacs: Pacs) -> None:
    with pytest.raises(AssertionError, match="0 instances"):
        pacs.wait_for(lambda received: len(received) == 1, within_s=0.05)


def test_it_runs_as_a_program_that_writes_what_it_gets(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "received"
    program = [sys.executable, "tests/peers/pacs.py", "--port", "0", "--folder", str(folder)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline().strip()
        assert re.fullmatch(r"PACS@127\.0\.0\.1:\d+", said)
        outcome = send_instances([film], parse_destination(said), calling_ae_title=US)[0]
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
    assert outcome.accepted
    assert [path.name for path in folder.iterdir()] == [f"{outcome.sop_instance_uid}.dcm"]
