"""How far back a worklist reaches."""

from datetime import timedelta

from dicom_node.database.engine import Database
from dicom_node.database.worklist import WorklistQuery, worklist_items
from tests.synthetic import stories


def test_a_worklist_leaves_out_what_was_received_before_its_window(database: Database) -> None:
    study = stories.receive_study(database)

    with database.read() as session:
        within = worklist_items(session, WorklistQuery(received_since=stories.NOON - timedelta(hours=1)))
        after = worklist_items(session, WorklistQuery(received_since=stories.NOON + timedelta(hours=1)))

    assert [item.study.study_instance_uid for item in within] == [study]
    assert after == []
