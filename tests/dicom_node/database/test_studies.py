"""Reception and completion in the database: what is kept, what is refused, when a study is whole."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from dicom_node.database import audit_trail, completion, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.database.studies import Recorded
from dicom_node.domain.audit import Action, Outcome
from dicom_node.domain.study import CompletionReason, Study, StudyState
from dicom_node.errors import InstanceRefused, RefusalReason, StateConflict
from tests.synthetic.stories import (
    NOON,
    QUIET,
    SECOND,
    complete_study,
    header,
    receive,
    receive_study,
    study_uid,
)

UID = study_uid()


def found(database: Database) -> Study:
    with database.read() as session:
        study = studies.find_study(session, UID)
    assert study is not None
    return study


def events(database: Database) -> list[Action]:
    """Oldest first."""
    with database.read() as session:
        return [e.event.action for e in reversed(audit_trail.search(session, AuditQuery()))]


def due(database: Database, now: datetime) -> list[str]:
    with database.begin() as session:
        return list(completion.due_studies(session, now=now))


# Reception


def test_the_first_instance_opens_the_study(database: Database) -> None:
    with database.begin() as session:
        assert receive(session, header(UID)) is Recorded.NEW
    study = found(database)
    assert (study.state, study.instance_count, study.modality) == (StudyState.RECEIVING, 1, "DX")
    assert (study.patient_id, study.patient_name) == ("P1", "DOE^JANE")
    assert study.received_at == NOON
    assert events(database) == [Action.INSTANCE_RECEIVED]


def test_instances_are_listed_in_the_order_of_arrival(database: Database) -> None:
    receive_study(database, instances=3)
    with database.read() as session:
        listed = studies.instances_of(session, UID)
    assert [one.sop_instance_uid for one in listed] == [f"{UID}.1.{number}" for number in (1, 2, 3)]
    assert {one.series_instance_uid for one in listed} == {f"{UID}.1"}
    assert not any(one.late for one in listed)


def test_the_same_instance_again_is_success_and_changes_nothing(database: Database) -> None:
    with database.begin() as session:
        receive(session, header(UID))
    with database.begin() as session:
        assert receive(session, header(UID), association="association-2") is Recorded.DUPLICATE
    assert found(database).instance_count == 1
    assert events(database) == [Action.INSTANCE_RECEIVED, Action.INSTANCE_DUPLICATE]


def refused(database: Database, study: str, **how: str) -> RefusalReason:
    content = how.pop("content", None)
    with pytest.raises(InstanceRefused) as refusal, database.begin() as session:
        receive(session, header(study_uid(int(study)), **how), content=content)
    return refusal.value.reason


def test_another_content_under_the_same_uid_is_refused_and_the_first_is_kept(database: Database) -> None:
    receive_study(database)
    with database.read() as session:
        before = studies.instances_of(session, UID)
    assert refused(database, "1", content="another") is RefusalReason.CONFLICT
    with database.read() as session:
        assert studies.instances_of(session, UID) == before
    assert events(database) == [Action.INSTANCE_RECEIVED]


def test_an_instance_uid_of_another_study_is_a_conflict_and_opens_no_study(database: Database) -> None:
    receive_study(database)
    taken = f"{UID}.1.1"
    reason = refused(database, "2", sop_instance_uid=taken, content=taken)
    assert reason is RefusalReason.CONFLICT
    with database.read() as session:
        assert studies.find_study(session, study_uid(2)) is None


def test_another_patient_id_is_refused(database: Database) -> None:
    receive_study(database)
    assert refused(database, "1", sop_instance_uid="1.2.3", patient_id="P2") is RefusalReason.PATIENT_MISMATCH
    assert found(database).instance_count == 1


def test_a_rollback_takes_the_instance_and_its_audit_event_together(database: Database) -> None:
    class PowerCutError(Exception):
        pass

    def receive_and_fail() -> None:
        with database.begin() as session:
            receive(session, header(UID))
            raise PowerCutError

    with pytest.raises(PowerCutError):
        receive_and_fail()
    assert events(database) == []
    with database.read() as session:
        assert studies.find_study(session, UID) is None


def test_a_late_instance_amends_the_study_and_is_marked(database: Database) -> None:
    complete_study(database)
    with database.begin() as session:
        assert receive(session, header(UID, 2), association="association-2") is Recorded.LATE
        assert receive(session, header(UID, 3), association="association-2") is Recorded.LATE
    study = found(database)
    assert (study.state, study.instance_count, study.late_instance_count) == (StudyState.AMENDED, 3, 2)
    with database.read() as session:
        assert [one.late for one in studies.instances_of(session, UID)] == [False, True, True]
        (newest, *_) = audit_trail.search(session, AuditQuery(actions=(Action.STUDY_AMENDED,)))
    assert newest.event.outcome is Outcome.MINOR_FAILURE


def test_a_duplicate_after_completion_does_not_amend(database: Database) -> None:
    complete_study(database)
    with database.begin() as session:
        assert receive(session, header(UID), association="association-2") is Recorded.DUPLICATE
    assert found(database).state is StudyState.COMPLETE


# Completion


def test_a_released_study_is_due_after_the_quiet_period_of_its_modality(database: Database) -> None:
    receive_study(database)
    assert due(database, NOON + 0.2 * SECOND) == []
    assert due(database, NOON + 0.3 * SECOND) == [UID]


def test_a_ct_study_waits_longer(database: Database) -> None:
    receive_study(database, modality="CT")
    assert due(database, NOON + 1.9 * SECOND) == []
    assert due(database, NOON + 2 * SECOND) == [UID]


def test_without_a_release_only_silence_completes_a_study(database: Database) -> None:
    with database.begin() as session:
        receive(session, header(UID))
        receive(session, header(UID, 2), now=NOON + 4 * SECOND)
    assert due(database, NOON + 13 * SECOND) == []
    assert due(database, NOON + 14 * SECOND) == [UID]
    with database.begin() as session:
        study = completion.complete_study(session, UID, now=NOON + 14 * SECOND)
    assert study.completion_reason is CompletionReason.SILENCE


def test_two_associations_are_both_waited_for(database: Database) -> None:
    with database.begin() as session:
        receive(session, header(UID, 1), association="a")
        receive(session, header(UID, 2), association="b", now=NOON + SECOND)
        assert completion.record_release(session, "a", quiet=QUIET, now=NOON + 2 * SECOND) == 1
    assert due(database, NOON + 5 * SECOND) == []
    with database.begin() as session:
        completion.record_release(session, "b", quiet=QUIET, now=NOON + 6 * SECOND)
        assert completion.next_completion(session) == NOON + 6.3 * SECOND
    assert due(database, NOON + 6.3 * SECOND) == [UID]
    with database.begin() as session:
        study = completion.complete_study(session, UID, now=NOON + 6.3 * SECOND)
    assert study.completion_reason is CompletionReason.ASSOCIATIONS_RELEASED
    assert study.last_released_at == NOON + 6 * SECOND


def test_an_association_that_breaks_off_is_waited_for_until_silence(database: Database) -> None:
    with database.begin() as session:
        receive(session, header(UID, 1), association="a")
        receive(session, header(UID, 2), association="broken", now=NOON + SECOND)
        completion.record_release(session, "a", quiet=QUIET, now=NOON + 2 * SECOND)
        assert completion.next_completion(session) == NOON + 11 * SECOND


def test_one_release_closes_every_study_that_it_brought(database: Database) -> None:
    with database.begin() as session:
        for number in (1, 2, 3):
            receive(session, header(study_uid(number)), association="a")
        assert completion.record_release(session, "a", quiet=QUIET, now=NOON) == 3
    assert set(due(database, NOON + SECOND)) == {study_uid(number) for number in (1, 2, 3)}


def test_an_instance_after_the_release_makes_the_study_wait_again(database: Database) -> None:
    receive_study(database)
    with database.begin() as session:
        receive(session, header(UID, 2), association="b", now=NOON + 0.2 * SECOND)
    assert due(database, NOON + SECOND) == []


def test_a_release_that_brought_nothing_is_nothing(database: Database) -> None:
    with database.begin() as session:
        assert completion.record_release(session, "echo-only", quiet=QUIET, now=NOON) == 0
        assert completion.next_completion(session) is None


def test_completion_stores_its_reason_and_is_audited(database: Database) -> None:
    complete_study(database)
    study = found(database)
    assert (study.state, study.completed_at) == (StudyState.COMPLETE, NOON + SECOND)
    assert study.completion_reason is CompletionReason.ASSOCIATIONS_RELEASED
    assert events(database)[-1] is Action.STUDY_COMPLETED


def test_a_study_is_completed_once(database: Database) -> None:
    complete_study(database)
    with pytest.raises(StateConflict), database.begin() as session:
        completion.complete_study(session, UID, now=NOON + 2 * SECOND)
    assert events(database).count(Action.STUDY_COMPLETED) == 1


def test_two_dispatchers_complete_a_study_once(database: Database) -> None:
    for number in range(1, 11):
        receive_study(database, number)
    together = threading.Barrier(2)

    def dispatch(_: int) -> list[str]:
        together.wait(timeout=10)
        closed = []
        for _turn in range(10):
            with database.begin() as session:
                due = completion.due_studies(session, now=NOON + SECOND, limit=3)
                for uid in completion.lock_due(session, due, now=NOON + SECOND):
                    completion.complete_study(session, uid, now=NOON + SECOND)
                    closed.append(uid)
        return closed

    with ThreadPoolExecutor(2) as dispatchers:
        closed = [uid for uids in dispatchers.map(dispatch, range(2)) for uid in uids]
    assert len(closed) == len(set(closed)) == 10


def test_an_instance_that_races_with_completion_is_part_of_the_study_or_late(database: Database) -> None:
    """Never neither: what the sender was told is kept is either read, or amends the study."""
    receive_study(database, instances=1)
    together = threading.Barrier(5)

    def send(number: int) -> list[Recorded]:
        together.wait(timeout=10)
        answers = []
        for instance in range(10):
            with database.begin() as session:
                answers.append(
                    receive(session, header(UID, 100 * number + instance), association=f"a{number}", now=NOON)
                )
        return answers

    def close() -> int:
        together.wait(timeout=10)
        with database.begin() as session:
            completion.complete_study(session, UID, now=NOON + timedelta(minutes=1))
            return sum(not one.late for one in studies.instances_of(session, UID))

    with ThreadPoolExecutor(5) as threads:
        closing = threads.submit(close)
        answers = [answer for sent in threads.map(send, range(1, 5)) for answer in sent]
        seen_at_completion = closing.result()
    with database.read() as session:
        listed = studies.instances_of(session, UID)
    late = sum(one.late for one in listed)
    assert len(listed) == 41
    assert late == answers.count(Recorded.LATE)
    assert seen_at_completion == 41 - late
    study = found(database)
    assert (study.instance_count, study.late_instance_count) == (41, late)
    assert study.state is (StudyState.AMENDED if late else StudyState.COMPLETE)


def test_one_instance_from_many_senders_at_once_is_stored_once(database: Database) -> None:
    together = threading.Barrier(6)

    def send(number: int) -> Recorded:
        together.wait(timeout=10)
        with database.begin() as session:
            return receive(session, header(UID), association=f"a{number}")

    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(send, range(6)))
    assert answers.count(Recorded.NEW) == 1
    assert answers.count(Recorded.DUPLICATE) == 5
    assert found(database).instance_count == 1


def test_the_input_digest_depends_on_content_and_not_on_order(database: Database) -> None:
    receive_study(database, instances=3)
    with database.read() as session:
        listed = studies.instances_of(session, UID)
    digest = studies.input_digest(listed)
    assert studies.input_digest(listed[::-1]) == digest
    assert studies.input_digest(listed[:2]) != digest
