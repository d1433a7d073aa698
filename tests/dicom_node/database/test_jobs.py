"""The database is the queue: claim, fence, settle, give back, reap."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from dicom_node.database import analyses, audit_trail, jobs
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.database.outputs import outputs_of
from dicom_node.database.tables import jobs as jobs_table
from dicom_node.domain.audit import Action
from dicom_node.domain.finding import AnalysisState
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import JobState, Lease, Queue
from dicom_node.errors import LeaseLost
from tests.synthetic.stories import (
    CT,
    CXR,
    LEASE,
    NOON,
    SECOND,
    claim,
    claim_by_id,
    complete_study,
    finish,
    reading,
    register,
    request_analyses,
    start,
)

AFTER_LEASE = NOON + LEASE + SECOND
RING_TIMEOUT = 30 * SECOND


def state_of(database: Database, job_id: JobId) -> JobState:
    with database.read() as session:
        return JobState(
            session.execute(sa.select(jobs_table.c.state).where(jobs_table.c.id == job_id)).scalar_one()
        )


def actions(database: Database) -> list[Action]:
    with database.read() as session:
        return [recorded.event.action for recorded in audit_trail.search(session, AuditQuery())]


def reap(database: Database, *, now: datetime, maximum_attempts: int = 5) -> list[jobs.ReapedJob]:
    with database.begin() as session:
        return jobs.reap(session, ring_timeout=RING_TIMEOUT, maximum_attempts=maximum_attempts, now=now)


def lose_the_lease(database: Database, *, maximum_attempts: int = 5) -> tuple[Lease, list[jobs.ReapedJob]]:
    request_analyses(database, CXR)
    held = start(database)
    return held, reap(database, now=AFTER_LEASE, maximum_attempts=maximum_attempts)


# Claim


def test_a_job_is_claimed_once(database: Database) -> None:
    request_analyses(database, CXR)
    held = claim(database, Queue.ANALYSIS)
    assert held.attempt == 1
    assert claim_by_id(database, held.job_id, now=NOON + LEASE, owner="slot-1") is None


def test_a_ready_job_may_be_claimed_without_a_ring(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    job_id = JobId(jobs.derived_uuid("job", "analysis", str(analysis_id)))
    held = claim_by_id(database, job_id, now=NOON)
    assert held is not None
    assert held.subject_id == analysis_id


def test_a_lapsed_lease_can_be_claimed_and_counts_as_lost(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    second = claim_by_id(database, held.job_id, now=AFTER_LEASE)
    assert second is not None
    assert second.attempt == 2
    assert second.token != held.token
    with database.read() as session:
        assert session.execute(sa.select(jobs_table.c.lost_leases)).scalar_one() == 1


def test_a_settled_job_cannot_be_claimed(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    finish(database, held)
    assert state_of(database, held.job_id) is JobState.DONE
    assert claim_by_id(database, held.job_id, now=AFTER_LEASE) is None


def test_a_job_that_nobody_knows_cannot_be_claimed(database: Database) -> None:
    assert claim_by_id(database, JobId(uuid.uuid4()), now=NOON) is None


def test_eight_workers_that_race_for_a_hundred_jobs_win_each_once(database: Database) -> None:
    register(database, CXR, CT)
    uid = complete_study(database)
    with database.begin() as session:
        for revision in range(1, 51):
            for model in (CXR, CT):
                analyses.request_analysis(session, uid, model, priority=5, now=NOON, revision=revision)
        rung = jobs.mark_queued(session, Queue.ANALYSIS, window=200, now=NOON)
    assert len(set(rung)) == 100
    together = threading.Barrier(8)

    def work(number: int) -> list[JobId]:
        together.wait(timeout=10)
        return [j for j in rung if claim_by_id(database, j, now=NOON, owner=f"slot-{number}") is not None]

    with ThreadPoolExecutor(8) as workers:
        won = [job_id for wins in workers.map(work, range(8)) for job_id in wins]
    assert len(won) == 100
    assert set(won) == set(rung)


# Fence


def test_a_sign_of_life_keeps_the_lease(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    with database.begin() as session:
        assert jobs.renew(session, held, lease=LEASE, now=NOON + LEASE / 2)
    assert reap(database, now=AFTER_LEASE) == []


def test_a_zombie_that_lost_its_lease_settles_nothing(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    zombie = start(database)
    successor = claim_by_id(database, zombie.job_id, now=AFTER_LEASE, owner="slot-1")
    assert successor is not None
    before = actions(database)
    with database.begin() as session:
        assert not jobs.renew(session, zombie, lease=LEASE, now=AFTER_LEASE)
    with pytest.raises(LeaseLost):
        finish(database, zombie, destinations=("PACS@127.0.0.1:4242",), now=AFTER_LEASE)
    with database.read() as session:
        found = analyses.find_analysis(session, analysis_id)
        assert outputs_of(session, analysis_id) == ()
    assert found.state is AnalysisState.RUNNING
    assert found.findings == ()
    assert actions(database) == before
    finish(database, successor, now=AFTER_LEASE)
    assert state_of(database, zombie.job_id) is JobState.DONE


def test_what_a_zombie_did_before_it_settled_is_rolled_back(database: Database) -> None:
    """Settling need not be the first statement: whatever stands before it falls with it."""
    (analysis_id,) = request_analyses(database, CXR)
    zombie = start(database)
    claim_by_id(database, zombie.job_id, now=AFTER_LEASE)

    def settle_last() -> None:
        with database.begin() as session:
            analyses._insert_findings(session, analysis_id, reading(zombie).findings)
            jobs.settle(session, zombie, now=AFTER_LEASE)

    with pytest.raises(LeaseLost):
        settle_last()
    with database.read() as session:
        assert outputs_of(session, analysis_id) == ()


def test_a_job_is_finished_once(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    finish(database, held)
    with pytest.raises(LeaseLost):
        finish(database, held)
    assert actions(database).count(Action.ANALYSIS_COMPLETED) == 1


@pytest.mark.parametrize("way_out", ["give_back", "bury"])
def test_a_zombie_can_neither_give_back_nor_bury(database: Database, way_out: str) -> None:
    zombie, _ = lose_the_lease(database)

    def leave() -> None:
        with database.begin() as session:
            if way_out == "bury":
                jobs.bury(session, zombie, error="", now=AFTER_LEASE)
            else:
                jobs.give_back(session, zombie, not_before=AFTER_LEASE, error="", now=AFTER_LEASE)

    with pytest.raises(LeaseLost):
        leave()
    assert state_of(database, zombie.job_id) is JobState.READY


# Give back and bury


def test_a_job_that_is_given_back_waits_for_its_time(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    later = NOON + 90 * SECOND
    with database.begin() as session:
        analyses.postpone_analysis(session, held, not_before=later, error="no model yet", now=NOON)
    with database.begin() as session:
        assert jobs.next_due(session) == later
        assert jobs.mark_queued(session, Queue.ANALYSIS, window=10, now=later - SECOND) == []
        assert jobs.mark_queued(session, Queue.ANALYSIS, window=10, now=later) == [held.job_id]
    assert Action.JOB_RETRIED in actions(database)


def test_an_old_message_does_not_shorten_the_wait_of_a_job_that_was_given_back(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    later = NOON + 10 * SECOND
    with database.begin() as session:
        analyses.postpone_analysis(session, held, not_before=later, error="no model yet", now=NOON)

    assert claim_by_id(database, held.job_id, now=later - SECOND) is None
    assert claim_by_id(database, held.job_id, now=later) is not None


def test_a_buried_job_is_dead_and_its_analysis_failed(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    held = start(database)
    with database.begin() as session:
        analyses.fail_analysis(session, held, reason="pixels cannot be read", actor="worker:slot-0", now=NOON)
    assert state_of(database, held.job_id) is JobState.DEAD
    with database.read() as session:
        found = analyses.find_analysis(session, analysis_id)
    assert (found.state, found.reason) == (AnalysisState.FAILED, "pixels cannot be read")
    assert claim_by_id(database, held.job_id, now=AFTER_LEASE) is None
    assert {Action.JOB_DEAD, Action.ANALYSIS_FAILED} <= set(actions(database))


# Reap


def test_a_lost_ring_is_rung_again(database: Database) -> None:
    request_analyses(database, CXR)
    with database.begin() as session:
        (job_id,) = jobs.mark_queued(session, Queue.ANALYSIS, window=10, now=NOON)
    assert reap(database, now=NOON + RING_TIMEOUT) == []
    (reaped,) = reap(database, now=NOON + RING_TIMEOUT + SECOND)
    assert (reaped.job_id, reaped.was, reaped.is_now) == (job_id, JobState.QUEUED, JobState.READY)
    with database.begin() as session:
        assert jobs.mark_queued(session, Queue.ANALYSIS, window=10, now=AFTER_LEASE) == [job_id]


def test_lost_rings_alone_never_kill_a_job(database: Database) -> None:
    request_analyses(database, CXR)
    now = NOON
    for _ in range(8):
        with database.begin() as session:
            assert len(jobs.mark_queued(session, Queue.ANALYSIS, window=10, now=now)) == 1
        now += RING_TIMEOUT + SECOND
        (reaped,) = reap(database, now=now, maximum_attempts=2)
        assert reaped.is_now is JobState.READY


def test_a_lost_lease_goes_back_to_ready(database: Database) -> None:
    held, (reaped,) = lose_the_lease(database)
    assert (reaped.job_id, reaped.was, reaped.is_now) == (held.job_id, JobState.RUNNING, JobState.READY)
    again = claim_by_id(database, held.job_id, now=AFTER_LEASE)
    assert again is not None
    assert again.attempt == 2


def test_a_job_is_dead_after_too_many_lost_leases(database: Database) -> None:
    request_analyses(database, CXR)
    now, states = NOON, []
    for _ in range(3):
        claim(database, Queue.ANALYSIS, now=now)
        now += LEASE + SECOND
        states += [reaped.is_now for reaped in reap(database, now=now, maximum_attempts=3)]
    assert states == [JobState.READY, JobState.READY, JobState.DEAD]
    assert reap(database, now=now + LEASE) == []


def test_a_study_that_kills_every_worker_does_not_loop(database: Database) -> None:
    """The worker dies at once, its successor in the slot frees what it held: that counts as well."""
    request_analyses(database, CXR)
    now, tries = NOON, 0
    while tries < 10:
        with database.begin() as session:
            if not jobs.mark_queued(session, Queue.ANALYSIS, window=10, now=now):
                break
        (job_id,) = all_jobs(database)
        assert claim_by_id(database, job_id, now=now, owner="analysis-0") is not None
        tries += 1
        now += 3 * SECOND
        with database.begin() as session:
            assert jobs.release_owner(session, "analysis-0", now=now) == [job_id]
        now += SECOND
        reap(database, now=now, maximum_attempts=4)
    assert tries == 4
    assert state_of(database, job_id) is JobState.DEAD


def all_jobs(database: Database) -> list[JobId]:
    with database.read() as session:
        return [JobId(found) for found in session.execute(sa.select(jobs_table.c.id)).scalars()]


def test_a_worker_frees_what_its_predecessor_held_and_nothing_else(database: Database) -> None:
    request_analyses(database, CXR, CT)
    mine = claim(database, Queue.ANALYSIS, owner="analysis-0")
    other = claim(database, Queue.ANALYSIS, owner="analysis-1")
    with database.begin() as session:
        assert jobs.release_owner(session, "analysis-0", now=NOON + SECOND) == [mine.job_id]
        assert not jobs.renew(session, mine, lease=LEASE, now=NOON + SECOND)
        assert jobs.renew(session, other, lease=LEASE, now=NOON + SECOND)
    (reaped,) = reap(database, now=NOON + 2 * SECOND)
    assert (reaped.job_id, reaped.is_now) == (mine.job_id, JobState.READY)
    assert Action.JOB_RELEASED in actions(database)


def test_two_reapers_take_a_job_back_once(database: Database) -> None:
    request_analyses(database, CXR, CT)
    for number in range(2):
        claim(database, Queue.ANALYSIS, owner=f"slot-{number}")
    together = threading.Barrier(2)

    def run(_: int) -> list[jobs.ReapedJob]:
        together.wait(timeout=10)
        return reap(database, now=AFTER_LEASE)

    with ThreadPoolExecutor(2) as reapers:
        reaped = [one.job_id for found in reapers.map(run, range(2)) for one in found]
    assert len(reaped) == len(set(reaped)) == 2
    assert actions(database).count(Action.JOB_REAPED) == 2


# The dispatch window


def test_the_window_is_filled_by_priority_then_age(database: Database) -> None:
    wanted = {"routine": (5, 0), "old": (5, -60), "stat": (0, 30), "urgent": (2, 10)}
    ids = {}
    for number, (name, (priority, seconds)) in enumerate(wanted.items(), start=1):
        at = NOON + timedelta(seconds=seconds)
        (analysis_id,) = request_analyses(database, CXR, number=number, priority=priority, now=at)
        ids[JobId(jobs.derived_uuid("job", "analysis", str(analysis_id)))] = name
    later = NOON + LEASE
    with database.begin() as session:
        first = jobs.mark_queued(session, Queue.ANALYSIS, window=2, now=later)
        assert jobs.mark_queued(session, Queue.ANALYSIS, window=2, now=later) == []
        rest = jobs.mark_queued(session, Queue.ANALYSIS, window=9, now=later)
    assert [ids[job_id] for job_id in first] == ["stat", "urgent"]
    assert [ids[job_id] for job_id in rest] == ["old", "routine"]


def test_a_claimed_job_leaves_room_in_the_window(database: Database) -> None:
    request_analyses(database, CXR, CT)
    with database.begin() as session:
        (first,) = jobs.mark_queued(session, Queue.ANALYSIS, window=1, now=NOON)
    claim_by_id(database, first, now=NOON)
    with database.begin() as session:
        assert len(jobs.mark_queued(session, Queue.ANALYSIS, window=1, now=NOON)) == 1


def test_a_full_window_of_one_queue_leaves_the_other_alone(database: Database) -> None:
    request_analyses(database, CXR, CT)
    finish(database, start(database), destinations=("PACS@127.0.0.1:4242",))
    with database.begin() as session:
        assert len(jobs.mark_queued(session, Queue.ANALYSIS, window=1, now=NOON)) == 1
        assert len(jobs.mark_queued(session, Queue.DELIVERY, window=1, now=NOON)) == 1


def test_two_dispatchers_never_ring_for_the_same_job(database: Database) -> None:
    register(database, CXR)
    uid = complete_study(database)
    with database.begin() as session:
        for revision in range(1, 41):
            analyses.request_analysis(session, uid, CXR, priority=5, now=NOON, revision=revision)
    together = threading.Barrier(2)

    def dispatch(_: int) -> list[JobId]:
        together.wait(timeout=10)
        rung: list[JobId] = []
        for _turn in range(40):
            with database.begin() as session:
                rung += jobs.mark_queued(session, Queue.ANALYSIS, window=40, now=NOON)
        return rung

    with ThreadPoolExecutor(2) as dispatchers:
        rung = [job_id for ids in dispatchers.map(dispatch, range(2)) for job_id in ids]
    assert len(rung) == len(set(rung)) == 40
