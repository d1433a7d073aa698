"""A real Orthanc takes what we send, sends what it has, and is reached by nobody else."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dicom_node.dimse import split_file_meta
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DestinationUnreachable
from dicom_node.scu import echo, send_instances
from tests.peers.orthanc import Orthanc
from tests.peers.pacs import Pacs
from tests.synthetic import studies

US = AETitle("DICOM_NODE")


@pytest.fixture(scope="module")
def orthanc() -> Iterator[Orthanc]:
    with Orthanc() as running:
        yield running


def encoded(path: Path) -> bytes:
    return path.read_bytes()[split_file_meta(path).offset :]


def test_it_answers_an_echo(orthanc: Orthanc) -> None:
    assert echo(orthanc.destination, calling_ae_title=US).accepted


def test_it_keeps_what_we_send(orthanc: Orthanc, tmp_path: Path) -> None:
    film = studies.chest_film(study=31)
    sent = studies.write_all([film], tmp_path)
    assert all(outcome.accepted for outcome in send_instances(sent, orthanc.destination, calling_ae_title=US))
    held = {
        json.loads(orthanc.rest(f"/instances/{one}"))["MainDicomTags"]["SOPInstanceUID"]: one
        for one in orthanc.instances()
    }
    kept = tmp_path / "kept.dcm"
    kept.write_bytes(orthanc.file(held[str(film.SOPInstanceUID)]))
    assert encoded(kept) == encoded(sent[0])


def test_it_sends_what_it_has_to_an_scp_of_ours(orthanc: Orthanc, tmp_path: Path) -> None:
    path = studies.write_all([studies.chest_film(study=32)], tmp_path)[0]
    identifier = orthanc.upload(path)
    with Pacs(host=orthanc.our_address) as ours:
        report = orthanc.send([identifier], ours.destination)
        assert report["FailedInstancesCount"] == 0
        assert [one.calling_ae_title for one in ours.kept] == ["ORTHANC"]


def test_it_is_in_a_network_of_its_own(orthanc: Orthanc) -> None:
    theirs, ours = (Path(f"/proc/{process}/ns/net").readlink() for process in (orthanc.pid, "self"))
    assert theirs != ours


def test_killed_and_started_again_it_has_what_it_had(tmp_path: Path) -> None:
    film = studies.chest_film(study=33)
    with Orthanc() as running:
        send_instances(studies.write_all([film], tmp_path), running.destination, calling_ae_title=US)
        running.kill()
        with pytest.raises(DestinationUnreachable):
            echo(running.destination, calling_ae_title=US)
        running.start()
        assert echo(running.destination, calling_ae_title=US).accepted
        assert len(running.instances()) == 1


def test_a_cut_network_answers_nothing_until_it_is_mended(orthanc: Orthanc) -> None:
    orthanc.cut()
    try:
        with pytest.raises(DestinationUnreachable):
            echo(orthanc.destination, calling_ae_title=US, timeout=timedelta(seconds=0.5))
    finally:
        orthanc.mend()
    assert echo(orthanc.destination, calling_ae_title=US).accepted


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    def links() -> set[str]:
        return {link.name for link in Path("/sys/class/net").iterdir()}

    before = links()
    with Orthanc() as running:
        assert len(links() - before) == 1
        pid = running.pid
    assert links() <= before
    assert not Path(f"/proc/{pid}").exists()


def test_without_root_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DICOM_NODE_REQUIRE_PEERS", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="needs root"):
        Orthanc().__enter__()
