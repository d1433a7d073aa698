"""Delivery to a real Orthanc: storage commitment, and dead letters replayed once it is back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.cli.dead_letter_views import Which, replay_letters
from dicom_node.database import migrate
from dicom_node.domain.delivery import DeliveryState, InstanceState, Proof
from dicom_node.resources import Resources, open_resources
from dicom_node.scp.server import NodeServer
from dicom_node.settings import Settings
from tests.journeys.running_node import wait_until
from tests.peers.orthanc import Orthanc
from tests.synthetic.outgoing import (
    complete_with_outputs,
    deliver_next,
    instance_states,
    next_is_due,
    state_of,
    use_routes,
)

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def orthanc() -> Iterator[Orthanc]:
    with Orthanc() as running:
        yield running


@pytest.fixture
def resources(orthanc: Orthanc, tmp_path: Path) -> Iterator[Resources]:
    """A node that Orthanc can reach and knows."""
    settings = Settings(
        data_home=tmp_path / "node", scp_host=orthanc.our_address, scp_port=0, minimum_free_space_mb=0
    )
    settings.data_home.mkdir()
    migrate.upgrade(settings.effective_database_url)
    opened = open_resources(settings)
    server = NodeServer(opened, transfer_syntaxes=("1.2.840.10008.1.2",))
    server.start()
    introduce(orthanc, server.port)
    yield opened
    server.stop()
    opened.close()


def introduce(orthanc: Orthanc, port: int) -> None:
    """Tell Orthanc where to report to; it forgets that when it ends."""
    modality = {"AET": "DICOM_NODE", "Host": orthanc.our_address, "Port": port}
    orthanc.rest("/modalities/node", modality, method="PUT")


def goes_to(resources: Resources, orthanc: Orthanc, proof: Proof, *, number: int, policy: str = "") -> None:
    address = f'address = "{orthanc.destination}"\nproof = "{proof.value}"\n{policy}'
    use_routes(resources, f"[destinations.orthanc]\n{address}")
    complete_with_outputs(resources, "orthanc", number=number)


def test_orthanc_commits_itself_to_what_it_keeps(resources: Resources, orthanc: Orthanc) -> None:
    goes_to(resources, orthanc, Proof.COMMITMENT, number=1)
    delivered = deliver_next(resources)
    assert delivered.state is DeliveryState.DELIVERED
    wait_until(lambda: next_is_due(resources), 20, "the report of Orthanc")
    assert deliver_next(resources).state is DeliveryState.VERIFIED


def test_what_orthanc_no_longer_has_is_found_out_and_sent_again_once(
    resources: Resources, orthanc: Orthanc
) -> None:
    goes_to(resources, orthanc, Proof.FIND, number=2, policy="verify_within = 0")
    deliver_next(resources)
    for identifier in orthanc.instances():
        orthanc.rest(f"/instances/{identifier}", method="DELETE")
    lost = deliver_next(resources)
    assert (lost.state, lost.resends) == (DeliveryState.PENDING, 1)
    deliver_next(resources)
    assert deliver_next(resources).state is DeliveryState.VERIFIED
    assert len(orthanc.instances()) == 2


def test_a_dead_letter_is_replayed_when_orthanc_is_back(
    resources: Resources, orthanc: Orthanc, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(orthanc.instances())
    goes_to(resources, orthanc, Proof.COMMITMENT, number=3, policy="give_up_after = 0")
    to_us = json.loads(orthanc.rest("/modalities/node/configuration"))
    orthanc.kill()
    dead = deliver_next(resources)
    assert dead.state is DeliveryState.EXHAUSTED
    orthanc.start()
    orthanc.rest("/modalities/node", to_us, method="PUT")

    assert replay_letters(resources.settings, Which(destination="orthanc"), as_json=True) == 0

    assert json.loads(capsys.readouterr().out) == {"replayed": [str(dead.delivery_id)]}
    assert deliver_next(resources).state is DeliveryState.DELIVERED
    wait_until(lambda: next_is_due(resources), 20, "the report of Orthanc")
    verified = deliver_next(resources)
    assert verified.state is DeliveryState.VERIFIED
    assert instance_states(resources, verified) == [InstanceState.VERIFIED] * 2
    assert len(set(orthanc.instances()) - before) == 2
    assert state_of(resources, dead).resends == 0
