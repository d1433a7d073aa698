"""A worker that is connected but hears no bell is found out."""

import time
import uuid
from datetime import timedelta

from dicom_node.database import jobs
from dicom_node.domain.job import Queue
from dicom_node.resources import Resources
from tests.synthetic import stories
from worker.hearing import Hearing

AT_ONCE = timedelta(0)


def ring_one_job(resources: Resources) -> None:
    stories.request_analyses(resources.database, stories.CXR)
    with resources.database.begin() as session:
        now = resources.database.now(session)
        assert jobs.mark_queued(session, Queue.ANALYSIS, window=5, now=now - timedelta(seconds=60))


def test_an_idle_worker_beside_an_old_ring_is_deaf(resources: Resources) -> None:
    hearing = Hearing(resources, Queue.ANALYSIS)
    ring_one_job(resources)

    assert hearing.is_deaf(AT_ONCE)


def test_an_idle_worker_without_rings_is_not_deaf(resources: Resources) -> None:
    stories.request_analyses(resources.database, stories.CXR)

    assert not Hearing(resources, Queue.ANALYSIS).is_deaf(AT_ONCE)


def test_the_rings_of_another_queue_do_not_count(resources: Resources) -> None:
    ring_one_job(resources)

    assert not Hearing(resources, Queue.DELIVERY).is_deaf(AT_ONCE)


def test_a_busy_worker_is_not_deaf_and_one_that_heard_is_patient(resources: Resources) -> None:
    hearing = Hearing(resources, Queue.ANALYSIS)
    ring_one_job(resources)
    seen: list[bool] = []

    hearing.noted(lambda _job_id: seen.append(hearing.is_deaf(AT_ONCE)))(uuid.uuid4())

    assert seen == [False]
    assert not hearing.is_deaf(timedelta(seconds=30))


def test_a_ring_is_old_before_it_is_rung_again_whatever_the_setting(resources: Resources) -> None:
    impatient = resources.settings.model_copy(update={"ring_timeout": timedelta(seconds=0.4)})
    hearing = Hearing(
        Resources(impatient, resources.database, resources.archive, resources.dispatcher_bell), Queue.ANALYSIS
    )
    stories.request_analyses(resources.database, stories.CXR)
    deadline = time.monotonic() + 5

    while not hearing.is_deaf():
        assert time.monotonic() < deadline
        with resources.database.begin() as session:
            now = resources.database.now(session)
            jobs.reap(session, ring_timeout=impatient.ring_timeout, maximum_attempts=5, now=now)
            jobs.mark_queued(session, Queue.ANALYSIS, window=5, now=now)
