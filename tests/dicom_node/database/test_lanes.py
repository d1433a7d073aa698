"""Lanes and the circuit breaker: one Destination holds up no other."""

from datetime import timedelta

from dicom_node.database import destination_health, jobs, lanes, waiting_jobs
from dicom_node.database.engine import Database
from dicom_node.domain.delivery import Patience
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import JobState, Queue
from tests.synthetic.stories import (
    BACKUP,
    CXR,
    LEASE,
    NOON,
    PACS,
    SECOND,
    claim_by_id,
    finish,
    request_analyses,
    start,
)

PATIENCE = Patience(first=30 * SECOND, longest=timedelta(minutes=10), give_up_after=timedelta(hours=24))
CONCURRENCY = {PACS: 2, BACKUP: 2}


def studies_to(database: Database, count: int, *destinations: str) -> None:
    for number in range(1, count + 1):
        request_analyses(database, CXR, number=number)
        finish(database, start(database), destinations=destinations)


def ring(database: Database, *, window: int = 10, after: timedelta = timedelta(0)) -> list[JobId]:
    with database.begin() as session:
        return jobs.mark_queued(
            session, Queue.DELIVERY, window=window, now=NOON + after, concurrency=CONCURRENCY
        )


def lanes_of(database: Database, job_ids: list[JobId]) -> list[str]:
    held = [claim_by_id(database, job_id, now=NOON) for job_id in job_ids]
    return sorted(one.lane for one in held if one is not None)


def fail(database: Database, destination: str, *, after: timedelta = timedelta(0)) -> timedelta:
    """Open the breaker; return after how long it may be probed."""
    with database.begin() as session:
        now = NOON + after
        until = destination_health.record_failure(
            session, destination, answer="no connection", patience=PATIENCE, actor="test", now=now
        )
        waiting_jobs.recall_lane(session, Queue.DELIVERY, destination, reason="test", now=now)
    return until - now


def test_a_lane_has_no_more_jobs_than_its_bound(database: Database) -> None:
    studies_to(database, 3, PACS, BACKUP)
    assert lanes_of(database, ring(database)) == [BACKUP, BACKUP, PACS, PACS]
    assert ring(database) == []


def test_the_most_urgent_of_all_lanes_come_first_within_the_window(database: Database) -> None:
    request_analyses(database, CXR, number=1)
    finish(database, start(database), destinations=(PACS,), priority=5)
    request_analyses(database, CXR, number=2)
    finish(database, start(database), destinations=(BACKUP,), priority=1)
    assert lanes_of(database, ring(database, window=1)) == [BACKUP]


def test_an_open_breaker_keeps_its_lane_back_and_no_other(database: Database) -> None:
    studies_to(database, 2, PACS, BACKUP)
    fail(database, PACS)
    assert lanes_of(database, ring(database)) == [BACKUP, BACKUP]


def test_what_was_rung_before_the_breaker_opened_is_called_back_and_not_claimed(database: Database) -> None:
    studies_to(database, 2, PACS)
    rung = ring(database)
    fail(database, PACS)
    assert [claim_by_id(database, job_id, now=NOON) for job_id in rung] == [None, None]
    with database.read() as session:
        assert jobs.counts(session)[Queue.DELIVERY, JobState.READY] == 2


def test_after_its_time_one_job_probes_and_nobody_else_until_that_is_settled(database: Database) -> None:
    studies_to(database, 3, PACS)
    rested = fail(database, PACS)
    (probe,) = ring(database, after=rested)
    with database.read() as session:
        other = lanes.next_in_lane(session, Queue.DELIVERY, PACS, now=NOON + rested)
    assert claim_by_id(database, probe, now=NOON + rested) is not None
    assert other is not None
    assert claim_by_id(database, other, now=NOON + rested) is None
    assert ring(database, after=rested) == []


def test_a_probe_that_was_lost_with_its_worker_lets_another_try(database: Database) -> None:
    studies_to(database, 2, PACS)
    rested = fail(database, PACS)
    (probe,) = ring(database, after=rested)
    assert claim_by_id(database, probe, now=NOON + rested) is not None
    later = NOON + rested + LEASE + SECOND
    assert claim_by_id(database, probe, now=later) is not None


def test_a_probing_worker_that_starts_again_lets_another_try_at_once(database: Database) -> None:
    studies_to(database, 2, PACS)
    rested = fail(database, PACS)
    (probe,) = ring(database, after=rested)
    held = claim_by_id(database, probe, now=NOON + rested)
    assert held is not None

    with database.begin() as session:
        jobs.release_owner(session, "slot-0", now=NOON + rested + SECOND)
        jobs.reap(session, ring_timeout=LEASE, maximum_attempts=5, now=NOON + rested + SECOND)

    (again,) = ring(database, after=rested + SECOND)
    assert claim_by_id(database, again, now=NOON + rested + SECOND) is not None


def test_an_old_message_does_not_use_up_the_probe(database: Database) -> None:
    studies_to(database, 2, PACS)
    first, second = ring(database)
    held = claim_by_id(database, first, now=NOON)
    assert held is not None
    with database.begin() as session:
        jobs.settle(session, held, now=NOON)
    rested = fail(database, PACS)
    assert claim_by_id(database, first, now=NOON + rested) is None
    assert claim_by_id(database, second, now=NOON + rested) is not None


def test_a_failed_probe_doubles_the_rest_and_an_answer_ends_it(database: Database) -> None:
    studies_to(database, 2, PACS)
    first = fail(database, PACS)
    second = fail(database, PACS, after=first)
    assert 1.6 < second / first < 2.5
    with database.begin() as session:
        assert destination_health.record_contact(session, PACS, actor="test", now=NOON)
        assert not destination_health.record_contact(session, PACS, actor="test", now=NOON)
    assert len(ring(database)) == 2


def test_failures_at_the_same_time_are_one_failure(database: Database) -> None:
    assert fail(database, PACS) == fail(database, PACS)
    with database.read() as session:
        (health,) = destination_health.troubled(session)
    assert health.failures == 1


def test_the_clock_wakes_when_a_breaker_has_rested_and_for_others_before(database: Database) -> None:
    studies_to(database, 1, PACS)
    rested = fail(database, PACS)
    with database.read() as session:
        assert jobs.next_due(session) == NOON + rested
        assert jobs.next_due_after(session, NOON) == NOON + rested


def test_a_worker_on_its_way_takes_the_most_urgent_of_the_lane_rung_or_not(database: Database) -> None:
    studies_to(database, 3, PACS)
    rung = ring(database)
    taken = set()
    for _ in range(3):
        with database.begin() as session:
            job_id = lanes.next_in_lane(session, Queue.DELIVERY, PACS, now=NOON)
            assert job_id is not None
            assert jobs.claim(session, job_id, owner="slot-0", lease=LEASE, now=NOON) is not None
        taken.add(job_id)
    assert len(taken) == 3
    assert set(rung) < taken
    with database.begin() as session:
        assert lanes.next_in_lane(session, Queue.DELIVERY, PACS, now=NOON) is None
