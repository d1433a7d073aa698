"""The recipes of docs/recipes.md with the real programs: Orthanc routes to us, it and DCMTK get results."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from dicom_node import scu
from dicom_node.domain.delivery import Destination
from tests.journeys.films import real_film, saved
from tests.journeys.running_node import RunningNode, running_node, wait_until
from tests.peers.dcmtk import StoreScp, dcmsend, storescu
from tests.peers.orthanc import Orthanc
from tests.peers.programs import unavailable

pytestmark = pytest.mark.journey
RECIPES = Path(__file__).parents[2] / "examples" / "orthanc"
PYTHON_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancPython.so")
STABLE = {"StableAge": 1, "DicomModalitiesInDatabase": True}


@pytest.fixture(scope="module")
def orthanc() -> Iterator[Orthanc]:
    with Orthanc({**STABLE, "LuaScripts": [str(RECIPES / "autoroute.lua")]}) as running:
        yield running


@pytest.fixture(scope="module")
def storescp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreScp]:
    with StoreScp(tmp_path_factory.mktemp("storescp")) as running:
        yield running


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc, storescp: StoreScp
) -> Iterator[RunningNode]:
    destinations = f"{orthanc.destination},{storescp.destination}"
    home = tmp_path_factory.mktemp("node")
    with running_node(home, destinations=destinations, scp_host=orthanc.our_address) as running:
        us = {"AET": "DICOM_NODE", "Host": orthanc.our_address, "Port": running.destination.port}
        orthanc.rest("/modalities/dicom-node", us, method="PUT")
        yield running


@pytest.fixture
def receiver(node: RunningNode, orthanc: Orthanc) -> Destination:
    """The node's SCP, on the private link to Orthanc."""
    return replace(node.destination, host=orthanc.our_address)


def in_orthanc(orthanc: Orthanc, study_instance_uid: str) -> set[str]:
    found: list[str] = json.loads(orthanc.rest("/tools/lookup", study_instance_uid.encode(), method="POST"))
    if not found:
        return set()
    path = found[0]["Path"]  # type: ignore[index]
    series = json.loads(orthanc.rest(f"{path}/series"))
    return {one["MainDicomTags"]["Modality"] for one in series}


def stable_events(orthanc: Orthanc) -> int:
    changes = json.loads(orthanc.rest("/changes?limit=1000"))["Changes"]
    return sum(change["ChangeType"] == "StableStudy" for change in changes)


def at_storescp(storescp: StoreScp, study_instance_uid: str) -> set[str]:
    headers = [
        pydicom.dcmread(BytesIO(path.read_bytes()), stop_before_pixels=True) for path in storescp.files
    ]
    return {one.Modality for one in headers if study_instance_uid == one.StudyInstanceUID}


def send_to(orthanc: Orthanc, film: Dataset, folder: Path) -> None:
    outcomes = scu.send_instances([saved(film, folder)], orthanc.destination, calling_ae_title="MODALITY")
    assert all(outcome.accepted for outcome in outcomes)


def assert_routed_once(
    node: RunningNode, orthanc: Orthanc, storescp: StoreScp, film: Dataset, folder: Path
) -> None:
    before = stable_events(orthanc)
    send_to(orthanc, film, folder)
    uid = film.StudyInstanceUID
    wait_until(lambda: in_orthanc(orthanc, uid) == {"CR", "SR", "OT"}, 90, "the results in Orthanc")
    node.wait_for_state(uid, "DONE")
    assert at_storescp(storescp, uid) == {"SR", "OT"}
    wait_until(lambda: stable_events(orthanc) >= before + 2, 30, "the study to be stable with its results")
    actions = node.actions(uid)
    assert actions.count("instance.received") == 1
    assert not {"instance.duplicate", "instance.refused", "study.amended"} & set(actions)


def test_orthanc_routes_by_lua_and_gets_the_results_back(
    node: RunningNode, orthanc: Orthanc, storescp: StoreScp, tmp_path: Path
) -> None:
    assert_routed_once(node, orthanc, storescp, real_film(), tmp_path)


@pytest.mark.parametrize("send", [storescu, dcmsend])
def test_dcmtk_sends_and_storescp_gets_the_results(
    node: RunningNode, receiver: Destination, storescp: StoreScp, tmp_path: Path, send: object
) -> None:
    assert callable(send)
    film = real_film()
    assert send([saved(film, tmp_path)], receiver).returncode == 0
    node.wait_for_state(film.StudyInstanceUID, "DONE")
    assert at_storescp(storescp, film.StudyInstanceUID) == {"SR", "OT"}


def test_orthanc_routes_by_python_also_when_the_node_was_away(
    node: RunningNode, orthanc: Orthanc, storescp: StoreScp, tmp_path: Path
) -> None:
    if not PYTHON_PLUGIN.is_file():
        unavailable("Orthanc's Python plugin is not installed: orthanc-python")
    orthanc.configure(
        {"LuaScripts": [], "Plugins": [str(PYTHON_PLUGIN)], "PythonScript": str(RECIPES / "autoroute.py")}
    )

    assert_routed_once(node, orthanc, storescp, real_film(), tmp_path)

    us = json.loads(orthanc.rest("/modalities?expand"))["dicom-node"]
    nowhere = {"AET": us["AET"], "Host": us["Host"], "Port": 1}
    orthanc.rest("/modalities/dicom-node", nowhere, method="PUT")
    before, film = stable_events(orthanc), real_film()
    send_to(orthanc, film, tmp_path)
    wait_until(lambda: stable_events(orthanc) > before, 30, "the study to be stable")
    assert node.item(film.StudyInstanceUID) is None
    orthanc.rest("/modalities/dicom-node", us, method="PUT")
    wait_until(lambda: "SR" in in_orthanc(orthanc, film.StudyInstanceUID), 90, "the results in Orthanc")
