"""What becomes of a study when the rules have decided: read, sent on, dropped, held, released."""

import pytest

from dicom_node.database import (
    analyses,
    audit_trail,
    deliveries,
    jobs,
    model_register,
    routing_decisions,
    studies,
    study_facts,
)
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import DeliveryContent, Order
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.routing import RuleAction
from dicom_node.domain.study import Study, StudyState
from dicom_node.errors import StateConflict
from dicom_node.intake.completion import close_studies
from dicom_node.intake.release import release_study
from dicom_node.resources import Resources
from dicom_node.routes_in_force import orders_of
from tests.synthetic import studies as synthetic
from tests.synthetic.routed import PLACES, put_in_force
from tests.synthetic.stories import CXR, NOON, SECOND, receive_study, register
from tests.worker.received import receive_and_complete

LATER = NOON + 60 * SECOND


@pytest.fixture(autouse=True)
def _a_model_reads_films(resources: Resources) -> None:
    register(resources.database, CXR)


def closed_under(resources: Resources, rules: str, **changes: str) -> StudyInstanceUID:
    put_in_force(resources.database, PLACES + rules)
    uid = receive_study(resources.database, **changes)
    assert close_studies(resources, LATER).completed == 1
    return uid


def study_of(database: Database, uid: str) -> Study:
    with database.read() as session:
        found = studies.find_study(session, uid)
    assert found is not None
    return found


def said(database: Database, uid: str) -> set[Action]:
    with database.read() as session:
        return {one.event.action for one in audit_trail.search(session, AuditQuery(study_instance_uid=uid))}


def counts(database: Database) -> dict[tuple[Queue, JobState], int]:
    with database.read() as session:
        return dict(jobs.counts(session))


def test_results_go_where_the_rule_said_when_the_study_was_complete(resources: Resources) -> None:
    rules = '[[rules]]\nname = "films"\nwhen.modality = ["DX"]\n'
    uid = closed_under(resources, rules + 'then = { destinations = ["PACS"], deidentify = true }')
    put_in_force(resources.database, PLACES + '[default]\ndestinations = ["BACKUP"]')
    with resources.database.read() as session:
        assert orders_of(session, uid) == (Order(destination="PACS", deidentify=True),)
        stored = routing_decisions.decision_of(session, uid)
    assert stored is not None
    assert (stored.decision.rules, stored.decided_at) == (("films",), LATER)
    assert [choice.model for choice in stored.decision.models] == [CXR]
    assert Action.STUDY_ROUTED in said(resources.database, uid)


def test_a_study_from_before_there_were_decisions_goes_where_the_default_says(resources: Resources) -> None:
    put_in_force(resources.database, PLACES + '[default]\ndestinations = ["BACKUP"]')
    with resources.database.read() as session:
        assert orders_of(session, StudyInstanceUID("1.2.3")) == (Order(destination="BACKUP"),)


def test_a_rule_gives_the_study_and_its_jobs_their_priority(resources: Resources) -> None:
    uid = closed_under(resources, "[default]\npriority = 1")
    assert study_of(resources.database, uid).priority == 1
    with resources.database.read() as session:
        assert [analysis.priority for analysis in analyses.analyses_of(session, [uid])] == [1]


def test_originals_are_sent_on_and_the_study_is_not_done_before_that(resources: Resources) -> None:
    uid = closed_under(resources, '[default]\nmodels = []\nforward = ["PACS", "BACKUP"]\ndeidentify = true')
    with resources.database.read() as session:
        sent = deliveries.deliveries_of(session, [uid])
    assert {(one.destination, one.content, one.deidentify) for one in sent} == {
        ("PACS", DeliveryContent.ORIGINALS, True),
        ("BACKUP", DeliveryContent.ORIGINALS, True),
    }
    assert study_of(resources.database, uid).state is StudyState.COMPLETE
    assert Action.ANALYSIS_NOT_APPLICABLE not in said(resources.database, uid)


def test_routes_without_any_model_wait_for_none(resources: Resources) -> None:
    put_in_force(resources.database, PLACES + '[default]\nmodels = []\nforward = ["PACS"]')
    with resources.database.begin() as session:
        model_register.register_models(session, [], actor="test", now=NOON)
    receive_study(resources.database)
    assert close_studies(resources, LATER).completed == 1


def test_a_dropped_study_is_done_and_neither_read_nor_sent_on(resources: Resources) -> None:
    uid = closed_under(resources, '[default]\naction = "drop"\nforward = ["PACS"]')
    assert study_of(resources.database, uid).state is StudyState.DONE
    assert counts(resources.database) == {}
    assert Action.STUDY_DROPPED in said(resources.database, uid)


def test_a_held_study_has_no_job_until_a_person_releases_it(resources: Resources) -> None:
    uid = closed_under(resources, '[default]\naction = "hold"\ndestinations = ["PACS"]\nforward = ["BACKUP"]')
    assert study_of(resources.database, uid).state is StudyState.COMPLETE
    assert counts(resources.database) == {}
    with resources.database.read() as session:
        assert routing_decisions.held_studies(session) == 1

    decision = release_study(resources, uid, actor="user:somebody")

    assert (decision.action, decision.destinations) == (RuleAction.READ, ("PACS",))
    assert counts(resources.database) == {
        (Queue.ANALYSIS, JobState.READY): 1,
        (Queue.DELIVERY, JobState.READY): 1,
    }
    with resources.database.read() as session:
        assert routing_decisions.held_studies(session) == 0
        (released,) = audit_trail.search(session, AuditQuery(actions=(Action.STUDY_RELEASED,)))
        assert orders_of(session, uid) == (Order(destination="PACS"),)
    assert (released.event.actor, released.event.patient_id) == ("user:somebody", "P1")


def test_a_study_is_released_once_and_only_if_it_is_held(resources: Resources) -> None:
    uid = closed_under(resources, '[default]\naction = "hold"')
    release_study(resources, uid, actor="user:somebody")
    with pytest.raises(StateConflict, match="is not held"):
        release_study(resources, uid, actor="user:somebody")
    with pytest.raises(StateConflict, match="there is no study"):
        release_study(resources, StudyInstanceUID("1.2.3"), actor="user:somebody")
    assert counts(resources.database) == {(Queue.ANALYSIS, JobState.READY): 1}


def test_a_released_study_goes_where_the_routes_of_that_moment_say(resources: Resources) -> None:
    uid = closed_under(resources, '[default]\naction = "hold"\ndestinations = ["PACS"]')
    put_in_force(resources.database, PLACES + '[default]\ndestinations = ["BACKUP"]')
    assert release_study(resources, uid, actor="user:somebody").destinations == ("BACKUP",)


def test_a_model_that_is_named_and_not_there_is_the_reason_why_nothing_reads(resources: Resources) -> None:
    uid = closed_under(resources, '[default]\nmodels = [{ name = "lost" }]')
    with resources.database.read() as session:
        (event,) = audit_trail.search(session, AuditQuery(actions=(Action.ANALYSIS_NOT_APPLICABLE,)))
    assert event.event.detail == {"reason": "default: no worker has lost, nothing is asked of it"}
    assert study_of(resources.database, uid).state is StudyState.DONE


def test_rules_see_the_header_of_the_first_instance_and_it_is_kept(resources: Resources) -> None:
    put_in_force(
        resources.database,
        PLACES + '[[rules]]\nname = "r"\nwhen = { view = ["PA"], keywords = { KVP = ["120"] } }\n',
    )
    film = synthetic.chest_film()
    film.KVP = "120"
    uid = StudyInstanceUID(film.StudyInstanceUID)
    receive_and_complete(resources, [film])
    with resources.database.read() as session:
        stored = routing_decisions.decision_of(session, uid)
        (facts,) = study_facts.facts_of(session, [uid], now=NOON)
        assert not study_facts.series_without_header(session, [uid], most=9)
    assert stored is not None
    assert stored.decision.rules == ("r",)
    assert facts.series[0].header["KVP"] == ("120",)
    assert facts.calling_ae_titles == {"MODALITY"}


def test_a_header_that_cannot_be_read_gives_what_the_rows_know(resources: Resources) -> None:
    uid = closed_under(
        resources,
        '[[rules]]\nname = "r"\nwhen = { body_part = ["CHEST"], calling_ae = ["SENDER"] }\n',
        body_part_examined="CHEST",
    )
    with resources.database.read() as session:
        stored = routing_decisions.decision_of(session, uid)
        (facts,) = study_facts.facts_of(session, [uid], now=NOON)
    assert stored is not None
    assert stored.decision.rules == ("r",)
    assert facts.series[0].header["Modality"] == ("DX",)
