"""When a study is whole: releases, silence, aborts, late instances, and what is asked for then."""

from datetime import datetime, timedelta

import pytest

from dicom_node.database import analyses, audit_trail, completion, jobs, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.studies import Recorded
from dicom_node.domain.audit import Action
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.study import CompletionReason, Study, StudyState
from dicom_node.intake.completion import Closed, close_studies
from dicom_node.resources import Resources
from tests.synthetic.stories import CXR, NOON, QUIET, SECOND, header, receive, register, study_uid

ONE, NONE = Closed(completed=1, held_back=0), Closed(completed=0, held_back=0)


@pytest.fixture(autouse=True)
def _a_model_reads_films(resources: Resources) -> None:
    register(resources.database, CXR)


def send(
    resources: Resources,
    *associations: str,
    at: datetime = NOON,
    study: int = 1,
    release_after: timedelta | None = 1 * SECOND,
    **changes: str,
) -> StudyInstanceUID:
    """One instance over each association; the associations are released after a while, or never."""
    uid = study_uid(study)
    with resources.database.begin() as session:
        for number, association in enumerate(associations, start=1):
            receive(session, header(uid, number, **changes), association=association, now=at)
    if release_after is not None:
        for association in associations:
            release(resources, association, at=at + release_after)
    return uid


def release(resources: Resources, association: str, *, at: datetime) -> None:
    with resources.database.begin() as session:
        completion.record_release(session, association, quiet=QUIET, now=at)


def study_of(resources: Resources, uid: str) -> Study:
    with resources.database.read() as session:
        found = studies.find_study(session, uid)
    assert found is not None
    return found


def test_a_film_is_complete_a_short_quiet_after_the_release(resources: Resources) -> None:
    uid = send(resources, "a", release_after=1 * SECOND)
    assert close_studies(resources, NOON + 1.29 * SECOND) == NONE
    assert close_studies(resources, NOON + 1.3 * SECOND) == ONE
    study = study_of(resources, uid)
    assert study.state is StudyState.COMPLETE
    assert study.completion_reason is CompletionReason.ASSOCIATIONS_RELEASED


def test_a_ct_waits_longer_for_more_of_it(resources: Resources) -> None:
    register(resources.database, CXR)
    send(resources, "a", modality="CT")
    assert close_studies(resources, NOON + 2.9 * SECOND) == NONE
    assert close_studies(resources, NOON + 3 * SECOND) == ONE


def test_without_a_release_silence_completes_a_study(resources: Resources) -> None:
    uid = send(resources, "a", release_after=None)
    assert close_studies(resources, NOON + 9.9 * SECOND) == NONE
    assert close_studies(resources, NOON + 10 * SECOND) == ONE
    assert study_of(resources, uid).completion_reason is CompletionReason.SILENCE


def test_the_last_of_two_associations_counts(resources: Resources) -> None:
    send(resources, "a", "b", release_after=None)
    release(resources, "a", at=NOON + 1 * SECOND)
    assert close_studies(resources, NOON + 5 * SECOND) == NONE, "b is not released"
    release(resources, "b", at=NOON + 6 * SECOND)
    assert close_studies(resources, NOON + 6.2 * SECOND) == NONE
    assert close_studies(resources, NOON + 6.3 * SECOND) == ONE


def test_an_association_that_was_aborted_is_waited_for_by_silence(resources: Resources) -> None:
    uid = send(resources, "aborted", "b", release_after=None)
    release(resources, "b", at=NOON + 1 * SECOND)
    assert close_studies(resources, NOON + 9.9 * SECOND) == NONE
    assert close_studies(resources, NOON + 10 * SECOND) == ONE
    assert study_of(resources, uid).completion_reason is CompletionReason.SILENCE


def test_more_over_a_new_association_makes_a_released_study_wait_again(resources: Resources) -> None:
    uid = send(resources, "a", release_after=1 * SECOND)
    with resources.database.begin() as session:
        receive(session, header(uid, 2), association="b", now=NOON + 1.2 * SECOND)
    assert close_studies(resources, NOON + 2 * SECOND) == NONE
    release(resources, "b", at=NOON + 3 * SECOND)
    assert close_studies(resources, NOON + 3.3 * SECOND) == ONE


def test_a_complete_study_asks_its_models_once(resources: Resources) -> None:
    uid = send(resources, "a")
    close_studies(resources, NOON + 2 * SECOND)
    assert close_studies(resources, NOON + 3 * SECOND) == NONE
    with resources.database.read() as session:
        (analysis,) = analyses.analyses_of(session, [uid])
        assert jobs.counts(session) == {(Queue.ANALYSIS, JobState.READY): 1}
    assert analysis.model == CXR


def test_a_late_instance_marks_the_study_amended(resources: Resources) -> None:
    uid = send(resources, "a")
    close_studies(resources, NOON + 2 * SECOND)
    with resources.database.begin() as session:
        recorded = receive(session, header(uid, 2), association="late", now=NOON + 5 * SECOND)
    study = study_of(resources, uid)
    assert recorded is Recorded.LATE
    assert study.state is StudyState.AMENDED
    assert (study.instance_count, study.late_instance_count) == (2, 1)
    release(resources, "late", at=NOON + 6 * SECOND)
    assert close_studies(resources, NOON + 60 * SECOND) == NONE
    with resources.database.read() as session:
        (amended,) = audit_trail.search(session, AuditQuery(actions=(Action.STUDY_AMENDED,)))
    assert amended.event.detail["before"] == "COMPLETE"


def test_a_study_that_no_model_reads_is_done_and_says_why(resources: Resources) -> None:
    uid = send(resources, "a", modality="CT")
    assert close_studies(resources, NOON + 60 * SECOND) == ONE
    assert study_of(resources, uid).state is StudyState.DONE
    with resources.database.read() as session:
        trail = audit_trail.search(session, AuditQuery(study_instance_uid=uid))
        assert jobs.counts(session) == {}
    said = {recorded.event.action: recorded.event for recorded in trail}
    assert said[Action.ANALYSIS_NOT_APPLICABLE].detail == {"reason": "no model of this node reads CT"}
    assert said[Action.ANALYSIS_NOT_APPLICABLE].patient_id == "P1"
    assert Action.STUDY_DONE in said


def test_a_film_in_a_second_series_is_read_too(resources: Resources) -> None:
    uid = send(resources, "a", modality="CT", release_after=None)
    with resources.database.begin() as session:
        film = header(uid, 2, modality="CR", series_instance_uid=f"{uid}.2")
        receive(session, film, association="a")
    close_studies(resources, NOON + 60 * SECOND)
    with resources.database.read() as session:
        assert [analysis.model for analysis in analyses.analyses_of(session, [uid])] == [CXR]


def test_a_backlog_of_many_studies_is_closed_in_one_call(resources: Resources) -> None:
    for number in range(1, 46):
        send(resources, f"association-{number}", study=number)
    assert close_studies(resources, NOON + 60 * SECOND) == Closed(completed=45, held_back=0)


class TestBeforeAnyModelIsRegistered:
    @pytest.fixture(autouse=True)
    def _a_model_reads_films(self) -> None:
        """No model yet: workers are still starting."""

    def test_studies_wait(self, resources: Resources) -> None:
        uid = send(resources, "a")
        assert close_studies(resources, NOON + 60 * SECOND) == Closed(completed=0, held_back=1)
        assert study_of(resources, uid).state is StudyState.RECEIVING
        register(resources.database, CXR)
        assert close_studies(resources, NOON + 60 * SECOND) == ONE
