"""The audit trail only grows, and what is in it is found."""

import pytest
import sqlalchemy as sa

from dicom_node.database import audit_trail
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action, AuditEvent, Outcome
from tests.synthetic.stories import NOON, SECOND

STUDIES = ("1.2.3", "1.2.4")


@pytest.fixture
def trail(database: Database) -> Database:
    """Ten events, one a second: the study, the patient and the action change from one to the next."""
    with database.begin() as session:
        for number in range(10):
            event = AuditEvent(
                action=Action.INSTANCE_RECEIVED if number % 5 else Action.INSTANCE_REFUSED,
                actor=f"AE{number % 2}",
                study_instance_uid=STUDIES[number % 2],
                patient_id=f"P{number % 3}",
                subject=str(number),
                detail={"size": number, "note": "ünïcode\n", "none": None},
            )
            audit_trail.record(session, [event], at=NOON + number * SECOND)
    return database


def found(database: Database, query: AuditQuery) -> list[int]:
    with database.read() as session:
        return [int(one.event.subject) for one in audit_trail.search(session, query)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'nobody'",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events WHERE subject = '3'",
    ],
)
def test_what_is_in_the_trail_can_be_neither_changed_nor_removed(trail: Database, statement: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="append only"), trail.begin() as session:
        session.execute(sa.text(statement))
    assert len(found(trail, AuditQuery())) == 10


@pytest.mark.parametrize("database_kind", ["postgresql"])  # SQLite has no TRUNCATE
def test_the_trail_cannot_be_truncated(trail: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="append only"), trail.begin() as session:
        session.execute(sa.text("TRUNCATE audit_events"))
    assert len(found(trail, AuditQuery())) == 10


def test_the_newest_event_comes_first_as_it_was_written(trail: Database) -> None:
    with trail.read() as session:
        newest, *_ = audit_trail.search(session, AuditQuery())
    assert newest.at == NOON + 9 * SECOND
    assert newest.event == AuditEvent(
        action=Action.INSTANCE_RECEIVED,
        actor="AE1",
        study_instance_uid=STUDIES[1],
        patient_id="P0",
        subject="9",
        detail={"size": 9, "note": "ünïcode\n", "none": None},
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (AuditQuery(study_instance_uid=STUDIES[1]), [9, 7, 5, 3, 1]),
        (AuditQuery(patient_id="P2"), [8, 5, 2]),
        (AuditQuery(actor="AE0"), [8, 6, 4, 2, 0]),
        (AuditQuery(actions=(Action.INSTANCE_REFUSED, Action.STUDY_DONE)), [5, 0]),
        (AuditQuery(since=NOON + 7 * SECOND), [9, 8, 7]),
        (AuditQuery(until=NOON + 2 * SECOND), [1, 0]),
        (AuditQuery(actor="AE1", patient_id="P1", since=NOON + 2 * SECOND), [7]),
        (AuditQuery(limit=2), [9, 8]),
        (AuditQuery(patient_id="P' OR 1=1 --"), []),
    ],
)
def test_events_are_found_by_what_is_asked(trail: Database, query: AuditQuery, expected: list[int]) -> None:
    assert found(trail, query) == expected


def test_pages_follow_each_other_without_gap_or_overlap(trail: Database) -> None:
    seen: list[int] = []
    before: int | None = None
    while True:
        with trail.read() as session:
            page = audit_trail.search(session, AuditQuery(limit=3, before_number=before))
        if not page:
            break
        seen += [int(one.event.subject) for one in page]
        before = page[-1].number
    assert seen == list(range(9, -1, -1))


def test_no_event_is_no_statement(database: Database) -> None:
    with database.begin() as session:
        audit_trail.record(session, [], at=NOON)
    assert found(database, AuditQuery()) == []


@pytest.mark.parametrize("action", Action)
def test_every_action_has_an_outcome(action: Action) -> None:
    bad = ("refused", "failed", "dead", "exhausted", "conflict")
    outcome = AuditEvent(action=action, actor="test").outcome
    assert (outcome is Outcome.SERIOUS_FAILURE) == action.value.endswith(bad)
