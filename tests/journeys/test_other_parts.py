"""The same story with a larger site's parts: PostgreSQL, redis-server, DCMTK as modality, Orthanc as PACS."""

import socket
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from tests.journeys.films import real_film, saved
from tests.journeys.running_node import RunningNode, running_node, wait_until
from tests.peers.dcmtk import storescu
from tests.peers.orthanc import Orthanc
from tests.peers.postgres import Postgres
from tests.peers.programs import require

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def orthanc() -> Iterator[Orthanc]:
    with Orthanc() as running:
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [require("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis_url: str, orthanc: Orthanc
) -> Iterator[RunningNode]:
    home = tmp_path_factory.mktemp("site")
    with (
        postgres.new_database() as url,
        running_node(
            home, database_url=url, broker_url=redis_url, destinations=str(orthanc.destination)
        ) as running,
    ):
        yield running


def held_by(orthanc: Orthanc, study_instance_uid: str) -> dict[str, pydicom.Dataset]:
    """What Orthanc holds of the study, by modality."""
    held = [pydicom.dcmread(BytesIO(orthanc.file(identifier))) for identifier in orthanc.instances()]
    return {dataset.Modality: dataset for dataset in held if study_instance_uid == dataset.StudyInstanceUID}


def test_a_film_from_dcmtk_is_read_and_orthanc_holds_report_and_heatmap(
    node: RunningNode, orthanc: Orthanc, tmp_path: Path
) -> None:
    film = real_film()

    sent = storescu([saved(film, tmp_path)], node.destination)
    assert "Received Store Response (Success)" in sent.stdout

    item = node.wait_for_state(film.StudyInstanceUID, "DONE")
    assert [delivery["state"] for delivery in item["deliveries"]] == ["DELIVERED"]
    held = held_by(orthanc, film.StudyInstanceUID)
    assert set(held) == {"SR", "OT"}
    assert held["SR"].PatientID == film.PatientID


def test_postgresql_restarts_while_a_study_is_on_its_way(
    node: RunningNode, orthanc: Orthanc, postgres: Postgres, tmp_path: Path
) -> None:
    film = real_film()
    sent = storescu([saved(film, tmp_path)], node.destination)
    assert "Received Store Response (Success)" in sent.stdout

    postgres.restart_immediately()

    wait_until(lambda: held_by(orthanc, film.StudyInstanceUID).keys() == {"SR", "OT"}, 120, "the result")
    item = node.wait_for_state(film.StudyInstanceUID, "DONE")
    assert item["analyses"][0]["state"] == "COMPLETED"
    assert node.actions(film.StudyInstanceUID).count("analysis.completed") == 1
