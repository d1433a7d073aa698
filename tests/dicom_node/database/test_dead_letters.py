"""Dead letters: listed, and sent again on a person's word without what is there already."""

import pytest

from dicom_node.database import audit_trail, dead_letters, deliveries, delivery_steps, jobs, outbox
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import DeliveryState, InstanceAnswer, InstanceState, Proof
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.job import JobState, Lease, Queue
from dicom_node.errors import StateConflict
from tests.synthetic.stories import NOON, PACS, SECOND, claim, deliver


def refused_with_one_accepted(database: Database) -> Lease:
    (held,) = deliver(database, PACS)
    delivery_id = DeliveryId(held.subject_id)
    with database.begin() as session:
        first, second = outbox.outbox_of(session, delivery_id)
        answers = [
            InstanceAnswer(sop_instance_uid=first.sop_instance_uid, state=InstanceState.ACCEPTED),
            InstanceAnswer(sop_instance_uid=second.sop_instance_uid, state=InstanceState.REFUSED),
        ]
        outbox.enter_answers(session, delivery_id, answers, now=NOON)
        delivery_steps.settle_refused(session, held, answer="no such SOP Class", actor="w", now=NOON)
    return held


def test_what_was_refused_or_given_up_is_a_dead_letter_and_nothing_else(database: Database) -> None:
    held = refused_with_one_accepted(database)
    with database.read() as session:
        (letter,) = dead_letters.dead_letters(session)
        assert letter.delivery_id == held.subject_id
        assert letter.last_answer == "no such SOP Class"
        assert dead_letters.dead_letters(session, destination="OTHER@127.0.0.1:1") == []
        assert dead_letters.delivery_counts(session).dead_letters == 1


def test_a_replay_lets_only_what_was_not_accepted_go_out_again(database: Database) -> None:
    held = refused_with_one_accepted(database)
    later = NOON + SECOND
    with database.begin() as session:
        dead_letters.replay(session, DeliveryId(held.subject_id), actor="user:jane", now=later)
    with database.read() as session:
        delivery = deliveries.find_delivery(session, DeliveryId(held.subject_id))
        states = [row.state for row in outbox.outbox_of(session, delivery.delivery_id)]
        assert jobs.counts(session)[Queue.DELIVERY, JobState.READY] == 1
        query = AuditQuery(actions=(Action.DELIVERY_REPLAYED,))
        (event,) = [one.event for one in audit_trail.search(session, query)]
    assert (delivery.state, delivery.attempts, delivery.pending_since) == (DeliveryState.PENDING, 0, later)
    assert states == [InstanceState.ACCEPTED, InstanceState.PENDING]
    assert event.actor == "user:jane"
    assert claim(database, Queue.DELIVERY, now=later).job_id == held.job_id


def test_what_is_no_dead_letter_is_not_replayed(database: Database) -> None:
    (held,) = deliver(database, PACS)
    with pytest.raises(StateConflict), database.begin() as session:
        dead_letters.replay(session, DeliveryId(held.subject_id), actor="user:jane", now=NOON)


def test_a_replay_is_done_once(database: Database) -> None:
    held = refused_with_one_accepted(database)
    with database.begin() as session:
        dead_letters.replay(session, DeliveryId(held.subject_id), actor="user:jane", now=NOON)
    with pytest.raises(StateConflict), database.begin() as session:
        dead_letters.replay(session, DeliveryId(held.subject_id), actor="user:joe", now=NOON)


def test_what_was_lost_goes_out_again_once_and_then_is_a_dead_letter(database: Database) -> None:
    (held,) = deliver(database, PACS)
    delivery_id = DeliveryId(held.subject_id)
    for expected in (DeliveryState.PENDING, DeliveryState.EXHAUSTED):
        with database.begin() as session:
            accepted = [
                InstanceAnswer(sop_instance_uid=row.sop_instance_uid, state=InstanceState.ACCEPTED)
                for row in outbox.outbox_of(session, delivery_id)
            ]
            outbox.enter_answers(session, delivery_id, accepted, now=NOON)
            delivery_steps.enter_delivered(session, held, proof=Proof.FIND, answer="", actor="w", now=NOON)
            kept, gone = (row.sop_instance_uid for row in outbox.outbox_of(session, delivery_id))
            outbox.enter_proof(session, delivery_id, [kept], now=NOON)
            state = delivery_steps.enter_lost(session, held, {gone: "not found"}, actor="w", now=NOON)
            states = [row.state for row in outbox.outbox_of(session, delivery_id)]
        assert state is expected
        assert states == [InstanceState.VERIFIED, InstanceState.PENDING]
        if expected is DeliveryState.PENDING:
            held = claim(database, Queue.DELIVERY)
