"""A delivery worker among several Destinations: one that is dead costs one attempt and delays nobody."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dicom_node.database import dead_letters, destination_health, jobs
from dicom_node.database.deliveries import deliveries_of
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import JobState, Queue
from dicom_node.resources import Resources
from tests.peers.pacs import Pacs
from tests.synthetic.outgoing import complete_with_outputs, use_routes
from tests.synthetic.stories import study_uid
from worker.delivery_desk import DeliveryDesk


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture
def desk(resources: Resources) -> DeliveryDesk:
    return DeliveryDesk(resources=resources, slot="delivery-0")


def ring(resources: Resources, *, after: timedelta = timedelta(0)) -> list[JobId]:
    """Mark what a dispatcher would ring now, or after a while."""
    with resources.database.begin() as session:
        now = resources.database.now(session) + after
        return jobs.mark_queued(session, Queue.DELIVERY, window=10, now=now)


def counted(resources: Resources, state: JobState) -> int:
    with resources.database.read() as session:
        return jobs.counts(session).get((Queue.DELIVERY, state), 0)


def test_a_worker_that_is_there_brings_everything_for_that_destination(
    resources: Resources, pacs: Pacs, desk: DeliveryDesk
) -> None:
    for number in range(1, 6):
        complete_with_outputs(resources, str(pacs.destination), number=number)
    first, *_ = ring(resources)

    desk.deliver(first)

    assert len(pacs.kept) == 10
    assert counted(resources, JobState.DONE) == 5
    assert pacs.associations == 1, "one association for all"


def test_a_dead_destination_costs_one_attempt_and_delays_no_other(
    resources: Resources, pacs: Pacs, desk: DeliveryDesk
) -> None:
    with Pacs(ae_title="DEAD") as dead:
        gone = str(dead.destination)
    for number in range(1, 5):
        complete_with_outputs(resources, gone, str(pacs.destination), number=number)

    for _ in range(4):
        for job_id in ring(resources):
            desk.deliver(job_id)

    assert len(pacs.kept) == 8
    with resources.database.read() as session:
        (troubled,) = destination_health.troubled(session)
        tried = [
            one
            for one in deliveries_of(session, [study_uid(number) for number in range(1, 5)])
            if one.destination == gone and one.attempts
        ]
    assert (troubled.destination, troubled.failures) == (gone, 1)
    assert [one.attempts for one in tried] == [1]
    assert counted(resources, JobState.READY) == 4


def test_studies_for_a_pacs_that_was_down_all_arrive_once_it_is_up(
    resources: Resources, pacs: Pacs, desk: DeliveryDesk
) -> None:
    use_routes(resources, f'[destinations.pacs]\naddress = "{pacs.destination}"\nfirst_backoff = 0.01')
    for number in range(1, 26):
        complete_with_outputs(resources, "pacs", number=number)
    pacs.go_down()
    for job_id in ring(resources):
        desk.deliver(job_id)
    assert counted(resources, JobState.READY) == 25

    pacs.come_up()
    rung: set[JobId] = set()
    deadline = time.monotonic() + 30  # the breaker waits longer on a slow machine
    while counted(resources, JobState.DONE) < 25 and time.monotonic() < deadline:
        rung |= set(ring(resources, after=timedelta(seconds=1)))
        for job_id in rung:
            desk.deliver(job_id)

    assert counted(resources, JobState.DONE) == 25
    assert len(pacs.received) == 50
    assert len({one.sop_instance_uid for one in pacs.kept}) == 50
    with resources.database.read() as session:
        assert destination_health.troubled(session) == []
        assert dead_letters.delivery_counts(session).dead_letters == 0
