"""The worklist: most urgent first, with what was said and where it went."""

from dicom_node.database.engine import Database
from dicom_node.database.worklist import WorklistQuery, study_counts, worklist_items
from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.finding import AnalysisState
from dicom_node.domain.study import StudyState
from tests.synthetic.stories import (
    BACKUP,
    CT,
    CXR,
    PACS,
    complete_study,
    finish,
    receive_study,
    request_analyses,
    start,
    study_uid,
)


def listed(database: Database, query: WorklistQuery) -> list[str]:
    with database.read() as session:
        return [item.study.study_instance_uid for item in worklist_items(session, query)]


def test_the_most_urgent_study_comes_first_and_then_the_one_that_waits_longest(database: Database) -> None:
    for number, priority in ((1, 5), (2, 2), (3, 5)):
        request_analyses(database, CXR, number=number)
        finish(database, start(database), priority=priority)
    assert listed(database, WorklistQuery()) == [study_uid(2), study_uid(1), study_uid(3)]
    assert listed(database, WorklistQuery(limit=1)) == [study_uid(2)]


def test_an_item_carries_what_was_said_and_where_it_went(database: Database) -> None:
    request_analyses(database, CXR, CT)
    finish(database, start(database), destinations=(PACS, BACKUP))
    complete_study(database, 2)
    with database.read() as session:
        first, second = worklist_items(session, WorklistQuery())
    assert {analysis.state for analysis in first.analyses} == {
        AnalysisState.COMPLETED,
        AnalysisState.REQUESTED,
    }
    assert [(d.destination, d.state) for d in first.deliveries] == [
        (BACKUP, DeliveryState.PENDING),
        (PACS, DeliveryState.PENDING),
    ]
    assert (second.study.study_instance_uid, second.analyses, second.deliveries) == (study_uid(2), (), ())


def test_studies_are_listed_by_what_is_asked(database: Database) -> None:
    receive_study(database, 1, patient_id="P1")
    complete_study(database, 2, patient_id="P2")
    assert listed(database, WorklistQuery(patient_id="P2")) == [study_uid(2)]
    assert listed(database, WorklistQuery(study_instance_uid=study_uid(1))) == [study_uid(1)]
    assert listed(database, WorklistQuery(states=(StudyState.RECEIVING,))) == [study_uid(1)]
    assert listed(database, WorklistQuery(states=(StudyState.DONE,))) == []


def test_studies_are_counted_by_state(database: Database) -> None:
    receive_study(database, 1)
    complete_study(database, 2)
    complete_study(database, 3)
    with database.read() as session:
        assert study_counts(session) == {StudyState.RECEIVING: 1, StudyState.COMPLETE: 2}
