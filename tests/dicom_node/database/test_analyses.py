"""An Analysis from the request to its Findings, and the moment when its study is done."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import analyses, audit_trail, deliveries, delivery_steps, jobs, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.database.outputs import outputs_of
from dicom_node.domain.audit import Action, RecordedEvent
from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.finding import AnalysisState, Condition, OutputRole
from dicom_node.domain.identifiers import AnalysisId, DeliveryId
from dicom_node.domain.job import JobState, Lease, Queue
from dicom_node.domain.study import StudyState
from dicom_node.errors import OutOfResources, StateConflict
from tests.synthetic.stories import (
    BACKUP,
    CT,
    CXR,
    LEASE,
    NOON,
    PACS,
    SECOND,
    claim,
    complete_study,
    deliver,
    finish,
    header,
    receive,
    register,
    request_analyses,
    start,
    study_uid,
)

UID = study_uid()
LATER = NOON + LEASE + SECOND


def study_state(database: Database) -> StudyState:
    with database.read() as session:
        found = studies.find_study(session, UID)
    assert found is not None
    return found.state


def events(database: Database, *actions: Action) -> list[RecordedEvent]:
    with database.read() as session:
        return audit_trail.search(session, AuditQuery(actions=actions))


def job_counts(database: Database) -> dict[tuple[Queue, JobState], int]:
    with database.read() as session:
        return jobs.counts(session)


def close_not_applicable(database: Database, held: Lease) -> None:
    with database.begin() as session:
        analyses.close_analysis_not_applicable(
            session, held, reason="no chest", input_digest="a" * 64, actor="worker:slot-0", now=NOON
        )


def settle_delivered(database: Database, held: Lease) -> None:
    with database.begin() as session:
        delivery_steps.settle_delivered(session, held, answer="2 accepted", actor="worker:slot-0", now=NOON)


# One analysis


def test_the_same_request_twice_is_one_analysis_and_one_job(database: Database) -> None:
    (first,) = request_analyses(database, CXR)
    with database.begin() as session:
        assert analyses.request_analysis(session, UID, CXR, priority=5, now=LATER) == first
    assert job_counts(database) == {(Queue.ANALYSIS, JobState.READY): 1}
    assert len(events(database, Action.ANALYSIS_REQUESTED)) == 1


def test_two_dispatchers_that_request_at_once_make_one_analysis(database: Database) -> None:
    register(database, CXR)
    complete_study(database)
    together = threading.Barrier(4)

    def request(_: int) -> AnalysisId:
        together.wait(timeout=10)
        with database.begin() as session:
            return analyses.request_analysis(session, UID, CXR, priority=5, now=NOON)

    with ThreadPoolExecutor(4) as dispatchers:
        assert len(set(dispatchers.map(request, range(4)))) == 1
    assert job_counts(database) == {(Queue.ANALYSIS, JobState.READY): 1}
    assert len(events(database, Action.ANALYSIS_REQUESTED)) == 1


def test_another_model_version_or_revision_is_another_analysis(database: Database) -> None:
    ids = request_analyses(database, CXR, CT)
    with database.begin() as session:
        ids.append(analyses.request_analysis(session, UID, CXR, priority=5, now=NOON, revision=2))
    assert len(set(ids)) == 3


def test_a_finished_analysis_can_be_read_back(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    finish(database, start(database), destinations=(PACS, BACKUP), priority=2)
    with database.read() as session:
        analysis = analyses.find_analysis(session, analysis_id)
        outputs = outputs_of(session, analysis_id)
        sent = deliveries.deliveries_of(session, [study_uid()])
        study = studies.find_study(session, UID)
    assert analysis.state is AnalysisState.COMPLETED
    assert analysis.model == CXR
    assert [finding.condition for finding in analysis.findings] == [Condition.COVID19, Condition.NORMAL]
    assert analysis.completed_at == NOON
    assert [output.role for output in outputs] == [OutputRole.REPORT, OutputRole.HEATMAP]
    assert [one.destination for one in sent] == [BACKUP, PACS]
    assert {one.state for one in sent} == {DeliveryState.PENDING}
    assert study is not None
    assert study.priority == 2
    assert job_counts(database) == {
        (Queue.ANALYSIS, JobState.DONE): 1,
        (Queue.DELIVERY, JobState.READY): 2,
    }


def test_a_less_urgent_result_does_not_lower_the_urgency_of_the_study(database: Database) -> None:
    request_analyses(database, CXR, CT)
    finish(database, start(database), priority=2)
    finish(database, start(database), priority=4)
    with database.read() as session:
        study = studies.find_study(session, UID)
    assert study is not None
    assert study.priority == 2


def test_an_analysis_whose_worker_died_is_taken_up_again(database: Database) -> None:
    request_analyses(database, CXR)
    start(database)
    with database.begin() as session:
        jobs.reap(session, ring_timeout=LEASE, maximum_attempts=5, now=LATER)
    finish(database, start(database, now=LATER), now=LATER)
    started = events(database, Action.ANALYSIS_STARTED)
    assert [one.event.detail["attempt"] for one in started] == [2, 1]


def test_an_analysis_does_not_start_twice_after_its_end(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    close_not_applicable(database, held)
    with pytest.raises(StateConflict), database.begin() as session:
        analyses.start_analysis(session, held, actor="worker:slot-0", now=NOON)


def test_a_dead_job_fails_its_analysis(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    start(database)
    with database.begin() as session:
        (reaped,) = jobs.reap(session, ring_timeout=LEASE, maximum_attempts=1, now=LATER)
        assert reaped.is_now is JobState.DEAD
        analyses.fail_dead_analysis(
            session, AnalysisId(reaped.subject_id), reason="lost too often", actor="dispatcher", now=LATER
        )
    with database.read() as session:
        assert analyses.find_analysis(session, analysis_id).state is AnalysisState.FAILED
    assert study_state(database) is StudyState.DONE


def test_a_worker_that_died_before_it_started_the_analysis_can_fail_it_too(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    claim(database, Queue.ANALYSIS)
    with database.begin() as session:
        analyses.fail_dead_analysis(
            session, analysis_id, reason="lost too often", actor="dispatcher", now=LATER
        )
        assert analyses.find_analysis(session, analysis_id).state is AnalysisState.FAILED


# Deliveries


def test_a_delivery_counts_its_attempts_and_keeps_the_answer(database: Database) -> None:
    (held,) = deliver(database, PACS)
    with database.begin() as session:
        assert delivery_steps.start_delivery(session, held, actor="worker:slot-0", now=NOON).attempts == 1
    with database.begin() as session:
        delivery_steps.postpone_delivery(
            session, held, not_before=LATER, answer="no association", actor="worker:slot-0", now=NOON
        )
    with database.read() as session:
        found = deliveries.find_delivery(session, DeliveryId(held.subject_id))
        assert jobs.next_due(session) == LATER
    assert (found.state, found.last_answer) == (DeliveryState.PENDING, "no association")
    assert study_state(database) is StudyState.COMPLETE


def test_an_accepted_delivery_is_delivered_and_the_study_done(database: Database) -> None:
    (held,) = deliver(database, PACS)
    settle_delivered(database, held)
    with database.read() as session:
        found = deliveries.find_delivery(session, DeliveryId(held.subject_id))
    assert (found.state, found.delivered_at) == (DeliveryState.DELIVERED, NOON)
    assert study_state(database) is StudyState.DONE


@pytest.mark.parametrize(
    ("settle", "state", "action"),
    [
        (delivery_steps.settle_refused, DeliveryState.REFUSED, Action.DELIVERY_REFUSED),
        (delivery_steps.settle_exhausted, DeliveryState.EXHAUSTED, Action.DELIVERY_EXHAUSTED),
    ],
)
def test_a_delivery_that_failed_for_good_buries_its_job_and_is_seen(
    database: Database, settle: Callable[..., None], state: DeliveryState, action: Action
) -> None:
    (held,) = deliver(database, PACS)
    with database.begin() as session:
        settle(session, held, answer="0xA900", actor="worker:slot-0", now=NOON)
    with database.read() as session:
        assert deliveries.find_delivery(session, DeliveryId(held.subject_id)).state is state
    assert job_counts(database)[Queue.DELIVERY, JobState.DEAD] == 1
    assert len(events(database, action)) == 1
    assert study_state(database) is StudyState.DONE


def test_a_delivery_whose_job_is_dead_is_exhausted(database: Database) -> None:
    (held,) = deliver(database, PACS)
    with database.begin() as session:
        (reaped,) = jobs.reap(session, ring_timeout=LEASE, maximum_attempts=1, now=LATER)
        delivery_steps.exhaust_dead_delivery(
            session, DeliveryId(reaped.subject_id), reason="lost too often", now=LATER
        )
    with database.read() as session:
        found = deliveries.find_delivery(session, DeliveryId(held.subject_id))
    assert (found.state, found.last_answer) == (DeliveryState.EXHAUSTED, "lost too often")


def test_a_delivered_delivery_cannot_be_settled_otherwise(database: Database) -> None:
    (held,) = deliver(database, PACS)
    settle_delivered(database, held)
    with pytest.raises(StateConflict), database.begin() as session:
        delivery_steps.exhaust_dead_delivery(session, DeliveryId(held.subject_id), reason="", now=LATER)


# When a study is done


def test_a_study_is_done_when_its_last_analysis_is_and_nobody_waits_for_it(database: Database) -> None:
    request_analyses(database, CXR, CT)
    close_not_applicable(database, start(database))
    assert study_state(database) is StudyState.COMPLETE
    close_not_applicable(database, start(database))
    assert study_state(database) is StudyState.DONE
    assert len(events(database, Action.STUDY_DONE)) == 1


def test_a_study_is_not_done_while_one_destination_waits(database: Database) -> None:
    first, second = deliver(database, PACS, BACKUP)
    settle_delivered(database, first)
    assert study_state(database) is StudyState.COMPLETE
    settle_delivered(database, second)
    assert study_state(database) is StudyState.DONE


def test_an_amended_study_stays_amended(database: Database) -> None:
    request_analyses(database, CXR)
    held = start(database)
    with database.begin() as session:
        receive(session, header(UID, 2), association="association-2")
    finish(database, held)
    assert study_state(database) is StudyState.AMENDED


def settle_at_the_same_moment(database: Database, *settle: Callable[[Session], None]) -> None:
    """Each settles in its transaction and commits only when the others have settled, or wait for it."""
    settled = threading.Barrier(len(settle))

    def run(one: Callable[[Session], None]) -> None:
        with database.begin() as session:
            one(session)
            try:
                settled.wait(timeout=0.5)
            except threading.BrokenBarrierError:
                return

    with ThreadPoolExecutor(len(settle)) as workers:
        list(workers.map(run, settle))


def test_two_deliveries_that_settle_at_the_same_moment_finish_the_study_once(database: Database) -> None:
    first, second = deliver(database, PACS, BACKUP)
    settle_at_the_same_moment(
        database,
        lambda session: delivery_steps.settle_delivered(session, first, answer="", actor="a", now=NOON),
        lambda session: delivery_steps.settle_delivered(session, second, answer="", actor="b", now=NOON),
    )
    assert study_state(database) is StudyState.DONE
    assert len(events(database, Action.STUDY_DONE)) == 1


def test_two_analyses_that_end_at_the_same_moment_finish_the_study_once(database: Database) -> None:
    request_analyses(database, CXR, CT)
    first, second = start(database), start(database)

    def close(held: Lease) -> Callable[[Session], None]:
        return lambda session: analyses.close_analysis_not_applicable(
            session, held, reason="no chest", input_digest="", actor="a", now=NOON
        )

    settle_at_the_same_moment(database, close(first), close(second))
    assert study_state(database) is StudyState.DONE
    assert len(events(database, Action.STUDY_DONE)) == 1


def test_models_registered_by_workers_that_start_together_are_registered_once(database: Database) -> None:
    together = threading.Barrier(6)

    def start_worker(_: int) -> None:
        together.wait(timeout=10)
        register(database, CXR, CT)

    with ThreadPoolExecutor(6) as workers:
        list(workers.map(start_worker, range(6)))
    assert len(events(database, Action.MODEL_REGISTERED)) == 2


def test_a_state_change_that_cannot_be_audited_does_not_happen(database: Database) -> None:
    (analysis_id,) = request_analyses(database, CXR)
    held = start(database)

    def close_without_a_trail() -> None:
        with database.begin() as session:
            session.execute(sa.text("DROP TABLE audit_events"))
            analyses.close_analysis_not_applicable(
                session, held, reason="no chest", input_digest="", actor="a", now=NOON
            )

    with pytest.raises((OutOfResources, sa.exc.ProgrammingError), match=r"audit_events|OperationalError"):
        close_without_a_trail()
    with database.read() as session:
        assert analyses.find_analysis(session, analysis_id).state is AnalysisState.RUNNING
    assert events(database, Action.ANALYSIS_NOT_APPLICABLE) == []
    finish(database, held)
