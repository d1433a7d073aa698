"""Delivery jobs against a real receiving AE: what is settled, what waits, what is refused."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dicom_node.database import deliveries, destination_health, jobs
from dicom_node.database.studies import ArchivedFile, Sender, record_instance
from dicom_node.delivery.destinations import patience_of
from dicom_node.delivery.sending import deliver
from dicom_node.dimse import split_file_meta
from dicom_node.domain.delivery import DeliveryContent, DeliveryState, InstanceState, Order
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.job import JobState, Queue
from dicom_node.errors import LeaseLost
from dicom_node.resources import Resources
from dicom_node.routing.document import DicomDestination
from dicom_node.settings import Settings
from tests.peers.pacs import Pacs
from tests.synthetic import stories
from tests.synthetic import studies as synthetic
from tests.synthetic.outgoing import (
    complete_with_outputs,
    deliver_next,
    instance_states,
    started_delivery,
    state_of,
)

SOON = stories.NOON + timedelta(seconds=1)
LONG_AGO = stories.NOON - timedelta(days=2)


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


def test_every_instance_accepted_is_delivered_heatmap_first(resources: Resources, pacs: Pacs) -> None:
    outputs = complete_with_outputs(resources, str(pacs.destination))
    held, delivery = started_delivery(resources)

    deliver(resources, held, delivery, actor="worker:test")

    report, heatmap = outputs
    assert [one.sop_instance_uid for one in pacs.kept] == [heatmap.sop_instance_uid, report.sop_instance_uid]
    assert state_of(resources, delivery).state is DeliveryState.DELIVERED


def test_the_bytes_at_the_pacs_are_the_bytes_in_the_archive(resources: Resources, pacs: Pacs) -> None:
    outputs = complete_with_outputs(resources, str(pacs.destination))
    held, delivery = started_delivery(resources)

    deliver(resources, held, delivery, actor="worker:test")

    for output in outputs:
        (received,) = (one for one in pacs.kept if one.sop_instance_uid == output.sop_instance_uid)
        assert (resources.archive.root / output.path).read_bytes().endswith(received.encoded)


def test_a_pacs_that_is_down_is_tried_again_later(resources: Resources, pacs: Pacs) -> None:
    complete_with_outputs(resources, str(pacs.destination))
    pacs.go_down()
    held, delivery = started_delivery(resources)

    deliver(resources, held, delivery, actor="worker:test")

    after = state_of(resources, delivery)
    assert after.state is DeliveryState.PENDING
    assert after.attempts == 1
    assert after.last_answer
    with resources.database.read() as session:
        due = jobs.next_due(session)
        assert jobs.counts(session)[Queue.DELIVERY, JobState.READY] == 1
        assert due is not None
        assert due > resources.database.now(session)


def test_one_instance_refused_for_good_refuses_the_delivery(resources: Resources, pacs: Pacs) -> None:
    complete_with_outputs(resources, str(pacs.destination))
    pacs.answer(0x0122, "SOP Class not supported")
    held, delivery = started_delivery(resources)

    deliver(resources, held, delivery, actor="worker:test")

    assert state_of(resources, delivery).state is DeliveryState.REFUSED


def test_a_pacs_without_space_is_tried_again(resources: Resources, pacs: Pacs) -> None:
    complete_with_outputs(resources, str(pacs.destination))
    pacs.answer(0xA700, "out of resources")
    held, delivery = started_delivery(resources)

    deliver(resources, held, delivery, actor="worker:test")

    assert state_of(resources, delivery).state is DeliveryState.PENDING


def test_of_half_a_delivery_only_the_rest_goes_out_again(resources: Resources, pacs: Pacs) -> None:
    complete_with_outputs(resources, str(pacs.destination))
    pacs.abort_after(1)

    half = deliver_next(resources)
    assert half.state is DeliveryState.PENDING
    assert instance_states(resources, half) == [InstanceState.ACCEPTED, InstanceState.PENDING]

    assert deliver_next(resources).state is DeliveryState.DELIVERED
    assert len({one.sop_instance_uid for one in pacs.kept}) == 2
    assert len(pacs.received) == 2


def test_a_permanent_refusal_is_not_asked_twice_and_the_others_arrive(
    resources: Resources, pacs: Pacs
) -> None:
    _, heatmap = complete_with_outputs(resources, str(pacs.destination))
    pacs.refuse(heatmap.sop_instance_uid, 0x0122)

    refused = deliver_next(resources)

    assert refused.state is DeliveryState.REFUSED
    assert instance_states(resources, refused) == [InstanceState.REFUSED, InstanceState.ACCEPTED]
    assert len(pacs.received) == 2
    with resources.database.read() as session:
        assert jobs.next_due(session) is None


def test_a_rejected_ae_title_is_one_association_and_a_dead_letter(resources: Resources) -> None:
    with Pacs(calling_ae_titles=("SOMEBODY",)) as strict:
        complete_with_outputs(resources, str(strict.destination))
        rejected = deliver_next(resources)
    assert rejected.state is DeliveryState.REFUSED
    assert "not recognised" in rejected.last_answer.lower()
    assert rejected.attempts == 1
    with resources.database.read() as session:
        assert jobs.next_due(session) is None
        assert destination_health.troubled(session) == []


def test_a_pacs_that_is_down_opens_its_breaker_and_no_other_job_tries_it(
    resources: Resources, pacs: Pacs
) -> None:
    for number in (1, 2, 3):
        complete_with_outputs(resources, str(pacs.destination), number=number)
    pacs.go_down()
    deliver_next(resources)
    with resources.database.begin() as session:
        now = resources.database.now(session)
        (health,) = destination_health.troubled(session)
        assert health.open_until is not None
        assert health.open_until > now
        assert jobs.mark_queued(session, Queue.DELIVERY, window=9, now=now) == []
        assert jobs.next_due(session) == health.open_until


def test_a_destination_that_no_routes_name_is_a_dead_letter_at_once(resources: Resources) -> None:
    complete_with_outputs(resources, "archive")
    refused = deliver_next(resources)
    assert refused.state is DeliveryState.REFUSED
    assert "no destination 'archive'" in refused.last_answer


def test_original_instances_go_out_as_they_came_without_late_ones(resources: Resources, pacs: Pacs) -> None:
    uid = stories.complete_study(resources.database)
    originals = [_received(resources, uid, number) for number in (11, 12)]
    order = Order(destination=str(pacs.destination))
    with resources.database.begin() as session:
        now = resources.database.now(session)
        session.execute(sa.text("DELETE FROM instances WHERE path LIKE '00/%'"))
        session.execute(sa.text("UPDATE instances SET late = FALSE"))
        first = deliveries.request_forward(session, uid, order, priority=3, now=now)
        stories.receive(session, stories.header(uid, 99), now=now)
        assert deliveries.request_forward(session, uid, order, priority=3, now=now) == first

    forwarded = deliver_next(resources)

    assert forwarded.content is DeliveryContent.ORIGINALS
    assert forwarded.state is DeliveryState.DELIVERED
    assert [one.sop_instance_uid for one in pacs.kept] == originals


def _received(resources: Resources, study: StudyInstanceUID, number: int) -> str:
    dataset = synthetic.chest_film(study=number)
    content = synthetic.part10(dataset)
    path, _ = resources.archive.put(dataset.SOPInstanceUID, content)
    offset = split_file_meta(resources.archive.root / path).offset
    file = ArchivedFile(path=path, sha256=hashlib.sha256(content[offset:]).hexdigest(), size=len(content))
    header = stories.header(study, number, sop_instance_uid=str(dataset.SOPInstanceUID))
    sender = Sender(association_id="association-1", calling_ae_title="SENDER")
    with resources.database.begin() as session:
        record_instance(session, header, file, sender=sender, quiet=stories.QUIET, now=stories.NOON)
    return str(dataset.SOPInstanceUID)


def test_a_delivery_that_never_gets_through_is_exhausted(resources: Resources, pacs: Pacs) -> None:
    impatient = Resources(
        settings=resources.settings.model_copy(update={"delivery_give_up_after": timedelta(0)}),
        database=resources.database,
        archive=resources.archive,
        dispatcher_bell=resources.dispatcher_bell,
    )
    complete_with_outputs(impatient, str(pacs.destination))
    pacs.go_down()
    held, delivery = started_delivery(impatient)

    deliver(impatient, held, delivery, actor="worker:test")

    assert state_of(impatient, delivery).state is DeliveryState.EXHAUSTED


def test_changed_bytes_are_never_sent(resources: Resources, pacs: Pacs) -> None:
    outputs = complete_with_outputs(resources, str(pacs.destination))
    with (resources.archive.root / outputs[0].path).open("ab") as file:
        file.write(b"tampered")
    held, delivery = started_delivery(resources)

    deliver(resources, held, delivery, actor="worker:test")

    assert pacs.received == []
    assert state_of(resources, delivery).state is DeliveryState.EXHAUSTED


def test_a_worker_that_lost_its_lease_settles_nothing(resources: Resources, pacs: Pacs) -> None:
    complete_with_outputs(resources, str(pacs.destination))
    held, delivery = started_delivery(resources)
    later = held.lease_until + timedelta(seconds=1)
    assert stories.claim_by_id(resources.database, held.job_id, now=later, owner="another") is not None

    with pytest.raises(LeaseLost):
        deliver(resources, held, delivery, actor="worker:test")

    assert state_of(resources, delivery).state is DeliveryState.PENDING


def test_the_wait_doubles_from_half_a_minute_to_ten_minutes(settings: Settings) -> None:
    profile = DicomDestination(address="PACS@127.0.0.1:104")
    patience = patience_of(profile, settings)

    waits = [patience.wait(failures).total_seconds() for failures in range(1, 30)]

    assert waits[0] == pytest.approx(30, rel=0.11)
    assert waits[2] == pytest.approx(120, rel=0.11)
    assert max(waits) <= 600 * 1.1
    assert len(set(waits)) == len(waits), "with jitter"


def test_a_profile_has_a_patience_of_its_own(settings: Settings) -> None:
    profile = DicomDestination(address="PACS@127.0.0.1:104", first_backoff="1", give_up_after="60")

    patience = patience_of(profile, settings)

    assert (patience.first.total_seconds(), patience.give_up_after.total_seconds()) == (1, 60)
    assert patience.longest == settings.delivery_longest_backoff
