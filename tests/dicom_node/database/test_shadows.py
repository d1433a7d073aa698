"""Models in shadow: nothing of them leaves the database, nobody waits for them, and history stays."""

import pytest

from dicom_node.database import analyses, audit_trail, deliveries, deployments, jobs, shadow_jobs, worklist
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.deployments import Act, NewStage
from dicom_node.database.engine import Database
from dicom_node.database.outputs import outputs_of
from dicom_node.database.worklist import WorklistQuery
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import Order
from dicom_node.domain.deployment import EVERY_RULE, ModelMode
from dicom_node.domain.finding import AnalysisState, ModelIdentity
from dicom_node.domain.identifiers import AnalysisId, JobId
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.study import StudyState
from dicom_node.domain.worklist import WorklistItem
from dicom_node.errors import ShadowMustStay
from tests.synthetic.stories import (
    CT,
    CXR,
    NOON,
    PACS,
    SECOND,
    complete_study,
    finish,
    register,
    start,
    study_uid,
)


def request(
    database: Database, model: ModelIdentity, mode: ModelMode, *, number: int = 1, revision: int = 1
) -> AnalysisId:
    with database.begin() as session:
        return analyses.request_analysis(
            session, study_uid(number), model, priority=5, now=NOON, mode=mode, revision=revision
        )


@pytest.fixture
def opened(database: Database) -> Database:
    """Two models, and one complete study."""
    register(database, CXR, CT)
    complete_study(database)
    return database


def item(database: Database) -> WorklistItem:
    with database.read() as session:
        (found,) = worklist.worklist_items(session, WorklistQuery(study_instance_uid=study_uid()))
    return found


def ring(database: Database, window: int = 10) -> list[JobId]:
    with database.begin() as session:
        return jobs.mark_queued(session, Queue.ANALYSIS, window=window, now=NOON + SECOND)


def test_of_a_shadow_findings_are_kept_and_nothing_else_whatever_the_worker_gives(opened: Database) -> None:
    analysis_id = request(opened, CXR, ModelMode.SHADOW)
    finish(opened, start(opened), destinations=(PACS,), priority=1)
    found = item(opened)
    (shadow,) = found.shadows
    assert (shadow.state, shadow.mode) == (AnalysisState.COMPLETED, ModelMode.SHADOW)
    assert len(shadow.findings) == 2
    assert (found.analyses, found.deliveries) == ((), ())
    assert found.study.priority == 5
    with opened.read() as session:
        assert outputs_of(session, analysis_id) == ()
        assert jobs.counts(session) == {(Queue.ANALYSIS, JobState.DONE): 1}


def test_a_delivery_of_a_shadow_is_refused_by_the_database_itself(opened: Database) -> None:
    analysis_id = request(opened, CXR, ModelMode.SHADOW)
    finish(opened, start(opened))
    with pytest.raises(ShadowMustStay), opened.begin() as session:
        deliveries.request_delivery(session, analysis_id, Order(destination=PACS), priority=5, now=NOON)


@pytest.mark.parametrize("mode", [ModelMode.OFF, ModelMode.CANARY])
def test_an_analysis_is_active_or_shadow(opened: Database, mode: ModelMode) -> None:
    with pytest.raises(ValueError, match="active or shadow"):
        request(opened, CXR, mode)


def test_a_study_is_done_without_waiting_for_a_shadow(opened: Database) -> None:
    request(opened, CXR, ModelMode.ACTIVE)
    request(opened, CT, ModelMode.SHADOW)
    finish(opened, start(opened))
    found = item(opened)
    assert found.study.state is StudyState.DONE
    assert [one.state for one in found.shadows] == [AnalysisState.REQUESTED]
    finish(opened, start(opened))
    assert [one.state for one in item(opened).shadows] == [AnalysisState.COMPLETED]
    with opened.read() as session:
        done = audit_trail.search(session, AuditQuery(actions=(Action.STUDY_DONE,)))
    assert len(done) == 1


def test_a_study_that_only_shadows_read_is_done_by_then(opened: Database) -> None:
    request(opened, CXR, ModelMode.SHADOW)
    finish(opened, start(opened))
    assert item(opened).study.state is StudyState.DONE


def test_a_shadow_that_fails_is_a_failure_of_the_shadow_alone(opened: Database) -> None:
    request(opened, CXR, ModelMode.SHADOW)
    held = start(opened)
    with opened.begin() as session:
        analyses.fail_analysis(session, held, reason="no", actor="worker:slot-0", now=NOON)
    found = item(opened)
    assert (found.analyses, found.study.state) == ((), StudyState.DONE)


# Nobody waits for a shadow


def test_no_shadow_is_rung_while_another_analysis_waits_even_an_older_one(opened: Database) -> None:
    request(opened, CT, ModelMode.SHADOW)
    (active,) = [request(opened, CXR, ModelMode.ACTIVE)]
    (rung,) = ring(opened)
    assert ring(opened) == []
    with opened.begin() as session:
        held = jobs.claim(session, rung, owner="a", lease=60 * SECOND, now=NOON + SECOND)
    assert held is not None
    assert held.subject_id == active
    assert len(ring(opened)) == 1


def test_rung_shadows_never_fill_the_window_of_the_others(opened: Database) -> None:
    for number in range(2, 8):
        complete_study(opened, number)
        request(opened, CT, ModelMode.SHADOW, number=number)
    assert len(ring(opened, window=4)) == 2
    request(opened, CXR, ModelMode.ACTIVE)
    assert len(ring(opened, window=4)) == 1


def test_a_shadow_that_was_rung_gives_way_to_an_analysis_that_came_meanwhile(opened: Database) -> None:
    request(opened, CT, ModelMode.SHADOW)
    (rung,) = ring(opened)
    with opened.begin() as session:
        assert not shadow_jobs.gave_way(session, rung, now=NOON)
    request(opened, CXR, ModelMode.ACTIVE)
    with opened.begin() as session:
        assert shadow_jobs.gave_way(session, rung, now=NOON)
    (active,) = ring(opened)
    assert active != rung
    with opened.begin() as session:
        assert not shadow_jobs.gave_way(session, active, now=NOON)


# History


def test_a_promotion_does_not_rewrite_what_was_read_in_shadow(opened: Database) -> None:
    first = request(opened, CXR, ModelMode.SHADOW)
    finish(opened, start(opened))
    stage = NewStage(rule=EVERY_RULE, model_name=CXR.name, model_version=CXR.version, mode=ModelMode.ACTIVE)
    with opened.begin() as session:
        deployments.set_stages(session, [stage], Act(who="ann", reason="good", at=NOON))
    assert request(opened, CXR, ModelMode.ACTIVE) == first
    found = item(opened)
    assert found.analyses == ()
    assert [one.mode for one in found.shadows] == [ModelMode.SHADOW]
