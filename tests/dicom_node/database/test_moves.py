"""Every function that moves a state, tried from every state: it makes an allowed move, or none."""

from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import TypeVar
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import (
    analyses,
    completion,
    dead_letters,
    deliveries,
    delivery_steps,
    jobs,
    waiting_jobs,
)
from dicom_node.database import tables as t
from dicom_node.database.engine import Database
from dicom_node.domain.delivery import DELIVERY_MOVES, DeliveryState, Proof
from dicom_node.domain.finding import ANALYSIS_MOVES, AnalysisState
from dicom_node.domain.identifiers import AnalysisId, DeliveryId
from dicom_node.domain.job import JOB_MOVES, JobState, Lease, Queue
from dicom_node.domain.study import STUDY_MOVES, StudyState
from dicom_node.errors import LeaseLost, StateConflict
from tests.synthetic.stories import (
    CXR,
    LEASE,
    NOON,
    PACS,
    QUIET,
    SECOND,
    header,
    receive,
    request_analyses,
    study_uid,
)
from tests.synthetic.stories import deliver as delivered_to
from tests.synthetic.stories import reading as what_was_read
from tests.synthetic.stories import start as started

State = TypeVar("State", bound=Enum)
Move = Callable[[Session, Lease], object]
LATER = NOON + LEASE + SECOND
UID = study_uid()


JOB_FUNCTIONS: dict[str, Move] = {
    "mark_queued": lambda s, held: jobs.mark_queued(s, Queue.ANALYSIS, window=9, now=LATER),
    "claim": lambda s, held: jobs.claim(s, held.job_id, owner="x", lease=LEASE, now=NOON),
    "settle": lambda s, held: jobs.settle(s, held, now=NOON),
    "give_back": lambda s, held: jobs.give_back(s, held, not_before=NOON, error="", now=NOON),
    "bury": lambda s, held: jobs.bury(s, held, error="", now=NOON),
    "reap": lambda s, held: jobs.reap(s, ring_timeout=SECOND, maximum_attempts=9, now=LATER),
    "reap for the last time": lambda s, held: jobs.reap(
        s, ring_timeout=SECOND, maximum_attempts=1, now=LATER
    ),
    "put_off": lambda s, held: jobs.put_off(s, held, not_before=NOON, until="", now=NOON),
    "revive": lambda s, held: waiting_jobs.revive(
        s, Queue.ANALYSIS, held.subject_id, actor="somebody", now=NOON
    ),
    "release_owner": lambda s, held: jobs.release_owner(s, "slot-0", now=NOON),
}
ANALYSIS_FUNCTIONS: dict[str, Move] = {
    "start": lambda s, held: analyses.start_analysis(s, held, actor="x", now=NOON),
    "complete": lambda s, held: analyses.complete_analysis(
        s, held, what_was_read(held), destinations=(), actor="x", now=NOON
    ),
    "close_not_applicable": lambda s, held: analyses.close_analysis_not_applicable(
        s, held, reason="", input_digest="", actor="x", now=NOON
    ),
    "postpone": lambda s, held: analyses.postpone_analysis(s, held, not_before=NOON, error="", now=NOON),
    "fail": lambda s, held: analyses.fail_analysis(s, held, reason="", actor="x", now=NOON),
    "fail_dead": lambda s, held: analyses.fail_dead_analysis(
        s, AnalysisId(held.subject_id), reason="", actor="x", now=NOON
    ),
}
DELIVERY_FUNCTIONS: dict[str, Move] = {
    "start": lambda s, held: delivery_steps.start_delivery(s, held, actor="x", now=NOON),
    "delivered": lambda s, held: delivery_steps.settle_delivered(s, held, answer="", actor="x", now=NOON),
    "refused": lambda s, held: delivery_steps.settle_refused(s, held, answer="", actor="x", now=NOON),
    "exhausted": lambda s, held: delivery_steps.settle_exhausted(s, held, answer="", actor="x", now=NOON),
    "postpone": lambda s, held: delivery_steps.postpone_delivery(
        s, held, not_before=NOON, answer="", actor="x", now=NOON
    ),
    "delivered, to be proved": lambda s, held: delivery_steps.enter_delivered(
        s, held, proof=Proof.FIND, answer="", actor="x", now=NOON
    ),
    "verified": lambda s, held: delivery_steps.settle_verified(s, held, actor="x", now=NOON),
    "lost": lambda s, held: delivery_steps.enter_lost(s, held, {"1.2": "gone"}, actor="x", now=NOON),
    "replay": lambda s, held: replayed(s, held),  # noqa: PLW0108 - it stands below
    "exhaust_dead": lambda s, held: delivery_steps.exhaust_dead_delivery(
        s, DeliveryId(held.subject_id), reason="", now=NOON
    ),
}
STUDY_FUNCTIONS: dict[str, Move] = {
    "complete": lambda s, held: completion.complete_study(s, UID, now=NOON),
    "receive": lambda s, held: receive(s, header(UID, 77)),
    "receive the same": lambda s, held: receive(s, header(UID, 1)),
    "close": lambda s, held: deliveries.close_study_when_settled(s, only_study(s), now=NOON),
    "release": lambda s, held: completion.record_release(
        s, "association-1", quiet=QUIET, now=NOON + timedelta(seconds=1)
    ),
}


def replayed(session: Session, held: Lease) -> None:
    session.execute(sa.update(t.jobs).where(t.jobs.c.id == held.job_id).values(state=JobState.DEAD.value))
    dead_letters.replay(session, DeliveryId(held.subject_id), actor="somebody", now=NOON)


def only_study(session: Session) -> int:
    return int(session.execute(sa.select(t.studies.c.id)).scalar_one())


def moves_seen(
    database: Database,
    table: sa.Table,
    row_id: UUID | int,
    held: Lease,
    functions: dict[str, Move],
    states: type[State],
) -> set[tuple[State, State]]:
    """Put the row in each state, call each function, note where it went, and take everything back."""
    seen = set()
    for before in states:
        for function in functions.values():
            after = _tried(database, table, row_id, held, function, before.value)
            if after != before.value:
                seen.add((before, states(after)))
    return seen


class TakenBackError(Exception):
    """Ends a transaction whose outcome was looked at."""


def _tried(
    database: Database, table: sa.Table, row_id: UUID | int, held: Lease, function: Move, before: str
) -> str:
    row, after = table.c.id == row_id, before
    try:
        with database.begin() as session:
            session.execute(sa.update(table).where(row).values(state=before))
            function(session, held)
            after = session.execute(sa.select(table.c.state).where(row)).scalar_one()
            raise TakenBackError
    except (TakenBackError, LeaseLost, StateConflict):
        return after


def allowed(table: dict[State, frozenset[State]]) -> set[tuple[State, State]]:
    return {(before, after) for before, afters in table.items() for after in afters}


@pytest.mark.parametrize("table", [STUDY_MOVES, ANALYSIS_MOVES, DELIVERY_MOVES, JOB_MOVES])
def test_a_table_of_moves_names_every_state(table: dict[Enum, frozenset[Enum]]) -> None:
    assert set(table) == set(type(next(iter(table))))
    assert all(before not in afters for before, afters in table.items())


def test_jobs_move_as_the_table_says(database: Database) -> None:
    request_analyses(database, CXR)
    held = started(database)
    with database.begin() as session:
        session.execute(sa.update(t.jobs).values(queued_at=NOON))
    seen = moves_seen(database, t.jobs, held.job_id, held, JOB_FUNCTIONS, JobState)
    assert seen == allowed(JOB_MOVES)


def test_analyses_move_as_the_table_says(database: Database) -> None:
    request_analyses(database, CXR)
    held = started(database)
    seen = moves_seen(database, t.analyses, held.subject_id, held, ANALYSIS_FUNCTIONS, AnalysisState)
    by_people = {(AnalysisState.FAILED, AnalysisState.REQUESTED)}
    assert (allowed(ANALYSIS_MOVES) - seen, seen - allowed(ANALYSIS_MOVES)) == (by_people, set())


def test_deliveries_move_as_the_table_says(database: Database) -> None:
    (held,) = delivered_to(database, PACS)
    with database.begin() as session:
        session.execute(sa.update(t.deliveries).values(proof=Proof.FIND.value))
    seen = moves_seen(database, t.deliveries, held.subject_id, held, DELIVERY_FUNCTIONS, DeliveryState)
    assert seen == allowed(DELIVERY_MOVES)


def test_what_was_delivered_without_proof_moves_no_more(database: Database) -> None:
    (held,) = delivered_to(database, PACS)
    seen = moves_seen(database, t.deliveries, held.subject_id, held, DELIVERY_FUNCTIONS, DeliveryState)
    assert {after for before, after in seen if before is DeliveryState.DELIVERED} == set()


def test_studies_move_as_the_table_says(database: Database) -> None:
    request_analyses(database, CXR)
    held = started(database)
    with database.begin() as session:
        analyses.close_analysis_not_applicable(session, held, reason="", input_digest="", actor="x", now=NOON)
        study = only_study(session)
    seen = moves_seen(database, t.studies, study, held, STUDY_FUNCTIONS, StudyState)
    assert seen == allowed(STUDY_MOVES)
