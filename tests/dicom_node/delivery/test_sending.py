"""Delivery jobs against a real receiving AE: what is settled, what waits, what is refused."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dicom_node.database import analyses, deliveries, delivery_steps, jobs
from dicom_node.database.analyses import ReadingResult
from dicom_node.delivery.destinations import patience_of
from dicom_node.delivery.sending import deliver
from dicom_node.domain.delivery import Delivery, DeliveryState, Order
from dicom_node.domain.finding import Condition, Finding, Output, OutputRole, Presence
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.job import JobState, Lease, Queue
from dicom_node.errors import LeaseLost
from dicom_node.resources import Resources
from dicom_node.routing.document import DicomDestination
from dicom_node.settings import Settings
from tests.peers.pacs import Pacs
from tests.synthetic import stories
from tests.synthetic import studies as synthetic

SOON = stories.NOON + timedelta(seconds=1)
LONG_AGO = stories.NOON - timedelta(days=2)


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


def complete_with_outputs(resources: Resources, destination: str) -> list[Output]:
    """An Analysis with a heat map and a report in the archive, and a delivery job."""
    stories.request_analyses(resources.database, stories.CXR)
    held = stories.start(resources.database)
    outputs = [
        _stored(resources, role, number)
        for number, role in enumerate((OutputRole.REPORT, OutputRole.HEATMAP), 1)
    ]
    finding = Finding(
        condition=Condition.COVID19, probability=0.9, operating_point=0.5, presence=Presence.PRESENT
    )
    result = ReadingResult(findings=(finding,), outputs=tuple(outputs), input_digest="e" * 64, priority=2)
    with resources.database.begin() as session:
        analyses.complete_analysis(
            session,
            held,
            result,
            destinations=(Order(destination=destination),),
            actor="worker:test",
            now=resources.database.now(session),
        )
    return outputs


def started_delivery(resources: Resources) -> tuple[Lease, Delivery]:
    with resources.database.begin() as session:
        now = resources.database.now(session)
    held = stories.claim(resources.database, Queue.DELIVERY, now=now)
    with resources.database.begin() as session:
        return held, delivery_steps.start_delivery(session, held, actor="worker:test", now=now)


def state_of(resources: Resources, delivery: Delivery) -> Delivery:
    with resources.database.read() as session:
        return deliveries.find_delivery(session, DeliveryId(delivery.delivery_id))


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


def test_half_a_delivery_is_not_delivered_and_the_rest_follows(resources: Resources, pacs: Pacs) -> None:
    complete_with_outputs(resources, str(pacs.destination))
    pacs.abort_after(1)
    held, delivery = started_delivery(resources)
    deliver(resources, held, delivery, actor="worker:test")
    assert state_of(resources, delivery).state is DeliveryState.PENDING
    with resources.database.read() as session:
        due = jobs.next_due(session)
    assert due is not None

    again = stories.claim(resources.database, Queue.DELIVERY, now=due)
    deliver(resources, again, state_of(resources, delivery), actor="worker:test")

    assert state_of(resources, delivery).state is DeliveryState.DELIVERED
    assert len({one.sop_instance_uid for one in pacs.kept}) == 2
    assert len({(one.sop_instance_uid, one.encoded) for one in pacs.kept}) == 2


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


def _stored(resources: Resources, role: OutputRole, number: int) -> Output:
    dataset = synthetic.secondary_capture()
    dataset.SOPInstanceUID = f"2.25.77{number}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    content = synthetic.part10(dataset)
    path, sha256 = resources.archive.put(dataset.SOPInstanceUID, content)
    return Output(
        role=role,
        sop_instance_uid=dataset.SOPInstanceUID,
        sop_class_uid=dataset.SOPClassUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        path=path,
        sha256=sha256,
        size=len(content),
    )
