"""Proof of arrival against receiving AEs that keep, lose, find, commit or say nothing."""

from collections.abc import Iterator

import pytest

from dicom_node.database import audit_trail, jobs, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import Delivery, DeliveryState, Destination, InstanceState, Proof
from dicom_node.domain.identifiers import AETitle
from dicom_node.domain.job import Queue
from dicom_node.domain.study import StudyState
from dicom_node.resources import Resources
from dicom_node.scp.server import NodeServer
from tests.peers.pacs import Pacs
from tests.synthetic.outgoing import complete_with_outputs, deliver_next, instance_states, use_routes
from tests.synthetic.stories import study_uid

ACCEPTED, VERIFIED = InstanceState.ACCEPTED, InstanceState.VERIFIED


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture
def node(resources: Resources) -> Iterator[Destination]:
    server = NodeServer(resources, transfer_syntaxes=("1.2.840.10008.1.2",))
    server.start()
    yield Destination(ae_title=AETitle("DICOM_NODE"), host="127.0.0.1", port=server.port)
    server.stop()


def goes_to(resources: Resources, pacs: Pacs, proof: Proof, **policy: float) -> None:
    """A Destination ``pacs`` with that proof, and results that are to go there."""
    lines = [f'address = "{pacs.destination}"', f'proof = "{proof.value}"']
    lines += [f"{name} = {value}" for name, value in policy.items()]
    use_routes(resources, "\n".join(["[destinations.pacs]", *lines]))
    complete_with_outputs(resources, "pacs")


def study_state(resources: Resources) -> StudyState:
    with resources.database.read() as session:
        study = studies.find_study(session, study_uid())
    assert study is not None
    return study.state


def happened(resources: Resources, action: Action) -> int:
    with resources.database.read() as session:
        return len(audit_trail.search(session, AuditQuery(actions=(action,))))


def deliver_until(resources: Resources, *states: DeliveryState) -> Delivery:
    """Do one step after another until the Delivery is in one of the states."""
    for _ in range(6):
        delivery = deliver_next(resources)
        if delivery.state in states:
            return delivery
    raise AssertionError(f"still {delivery.state}")


def test_what_is_found_again_is_verified_and_only_then_is_the_study_done(
    resources: Resources, pacs: Pacs
) -> None:
    goes_to(resources, pacs, Proof.FIND)
    delivered = deliver_next(resources)
    assert (delivered.state, delivered.proof) == (DeliveryState.DELIVERED, Proof.FIND)
    assert study_state(resources) is StudyState.COMPLETE
    verified = deliver_next(resources)
    assert verified.state is DeliveryState.VERIFIED
    assert verified.attempts == 1
    assert verified.verified_at is not None
    assert instance_states(resources, verified) == [VERIFIED, VERIFIED]
    assert study_state(resources) is StudyState.DONE


def test_what_is_accepted_and_lost_goes_out_again_and_nothing_else(resources: Resources, pacs: Pacs) -> None:
    goes_to(resources, pacs, Proof.FIND, verify_within=0)
    pacs.lose(1)
    deliver_next(resources)
    lost = deliver_next(resources)
    assert (lost.state, lost.resends) == (DeliveryState.PENDING, 1)
    assert instance_states(resources, lost) == [InstanceState.PENDING, VERIFIED]
    assert deliver_until(resources, DeliveryState.VERIFIED).resends == 1
    sent = [one.sop_instance_uid for one in pacs.received]
    assert len(sent) == 3
    assert sent[2] == sent[0]
    assert happened(resources, Action.DELIVERY_LOST) == 1


def test_what_is_lost_twice_is_a_dead_letter(resources: Resources, pacs: Pacs) -> None:
    goes_to(resources, pacs, Proof.FIND, verify_within=0)
    pacs.lose(99)
    exhausted = deliver_until(resources, DeliveryState.EXHAUSTED)
    assert exhausted.last_answer.startswith("lost again")
    assert len(pacs.received) == 4
    assert study_state(resources) is StudyState.DONE
    with resources.database.read() as session:
        assert jobs.next_due(session) is None


def test_what_is_not_found_yet_is_looked_for_later_and_not_sent_again(
    resources: Resources, pacs: Pacs
) -> None:
    goes_to(resources, pacs, Proof.FIND, verify_after=0.01)
    pacs.lose(1)
    deliver_next(resources)
    waiting = deliver_next(resources)
    assert waiting.state is DeliveryState.DELIVERED
    assert instance_states(resources, waiting) == [ACCEPTED, ACCEPTED]
    with resources.database.read() as session:
        due, now = jobs.next_due(session), resources.database.now(session)
    assert waiting.delivered_at is not None
    assert due is not None
    assert due - waiting.delivered_at < 2.5 * (now - waiting.delivered_at)
    assert len(pacs.received) == 2


def test_a_pacs_that_went_down_after_it_accepted_is_asked_later(resources: Resources, pacs: Pacs) -> None:
    goes_to(resources, pacs, Proof.FIND, verify_within=0)
    deliver_next(resources)
    pacs.go_down()
    waiting = deliver_next(resources)
    assert (waiting.state, waiting.resends) == (DeliveryState.DELIVERED, 0)
    pacs.come_up()
    assert deliver_next(resources).state is DeliveryState.VERIFIED
    assert len(pacs.received) == 2


def test_a_commitment_report_verifies_without_a_search(
    resources: Resources, pacs: Pacs, node: Destination
) -> None:
    goes_to(resources, pacs, Proof.COMMITMENT)
    pacs.report_to(node)
    assert deliver_next(resources).state is DeliveryState.DELIVERED
    pacs.wait_until_reported(10)
    with resources.database.read() as session:
        due, now = jobs.next_due(session), resources.database.now(session)
    assert due is not None
    assert due <= now, "the report brings the job forward"
    assert deliver_next(resources).state is DeliveryState.VERIFIED
    assert pacs.found == []
    assert happened(resources, Action.COMMITMENT_ANSWERED) == 1


def test_what_the_report_says_is_not_kept_goes_out_again(
    resources: Resources, pacs: Pacs, node: Destination
) -> None:
    goes_to(resources, pacs, Proof.COMMITMENT)
    pacs.report_to(node)
    pacs.lose(1)
    deliver_next(resources)
    pacs.wait_until_reported(10)
    lost = deliver_next(resources)
    assert (lost.state, lost.resends) == (DeliveryState.PENDING, 1)
    assert "no such instance (0112H)" in lost.last_answer
    assert deliver_next(resources).state is DeliveryState.DELIVERED
    pacs.wait_until_reported(10)
    assert deliver_next(resources).state is DeliveryState.VERIFIED
    assert len(pacs.received) == 3


def test_a_report_that_does_not_come_is_replaced_by_a_search(resources: Resources, pacs: Pacs) -> None:
    goes_to(resources, pacs, Proof.COMMITMENT, verify_within=0)
    deliver_next(resources)
    assert deliver_next(resources).state is DeliveryState.VERIFIED
    assert pacs.commitments == 1
    assert pacs.found


def test_a_pacs_without_storage_commitment_is_searched(resources: Resources) -> None:
    with Pacs(offers_commitment=False) as plain:
        goes_to(resources, plain, Proof.COMMITMENT)
        assert deliver_until(resources, DeliveryState.VERIFIED).state is DeliveryState.VERIFIED
        assert plain.found


def test_two_deliveries_to_a_pacs_are_proved_each_by_its_own_report(
    resources: Resources, pacs: Pacs, node: Destination
) -> None:
    goes_to(resources, pacs, Proof.COMMITMENT)
    complete_with_outputs(resources, "pacs", number=2)
    pacs.report_to(node)
    deliver_next(resources)
    pacs.wait_until_reported(10)
    states = [deliver_next(resources).state for _ in range(2)]
    pacs.wait_until_reported(10)
    states.append(deliver_next(resources).state)
    assert sorted(state.value for state in states) == ["DELIVERED", "VERIFIED", "VERIFIED"]
    with resources.database.read() as session:
        assert not [
            one for one in jobs.counts(session) if one[0] is Queue.DELIVERY and one[1].value == "READY"
        ]
