"""Associations that we ask for: nobody is waited for who cannot answer, and no answer gets lost."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from dicom_node import dimse
from dicom_node.association import Peer, associate, release
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from tests.peers.orthanc import Orthanc
from tests.peers.pacs import Pacs


@pytest.fixture(scope="module")
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


def association_to(destination: Destination, timeout_s: float) -> Association:
    peer = Peer(
        destination=destination,
        calling_ae_title=AETitle("DICOM_NODE"),
        timeout=timedelta(seconds=timeout_s),
    )
    return associate(peer, [build_context(Verification)])


def test_the_reactor_never_takes_the_answer_that_somebody_waits_for(pacs: Pacs) -> None:
    """At the worst moment: the reactor is just past its checkpoint, and who asks loses the processor."""
    association = association_to(pacs.destination, timeout_s=2)
    checkpoint, send = association._reactor_checkpoint, association.dimse.send_msg
    wait = checkpoint.wait

    def wait_and_dawdle(timeout: float | None = None) -> bool:
        may_go_on = wait(timeout)
        time.sleep(0.02)
        return may_go_on

    def send_and_dawdle(*message: object) -> None:
        send(*message)
        time.sleep(0.06)

    checkpoint.wait, association.dimse.send_msg = wait_and_dawdle, send_and_dawdle

    answers = [association.send_c_echo() for _ in range(5)]

    checkpoint.wait = wait
    release(association)
    assert [answer.get("Status") for answer in answers] == [0x0000] * 5


def test_a_peer_whose_machine_is_gone_is_noticed_long_before_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for option in dimse.KEEPALIVE:
        monkeypatch.setitem(dimse.KEEPALIVE, option, 1)
    with Orthanc() as orthanc:
        association = association_to(orthanc.destination, timeout_s=60)
        orthanc.cut()
        association.join(10)
        assert not association.is_alive()
