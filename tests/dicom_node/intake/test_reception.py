"""Keeping an instance, called directly: what is there, and what is not, when something fails in between."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_node.database import studies
from dicom_node.database.engine import Database
from dicom_node.database.studies import Recorded, Sender
from dicom_node.errors import InstanceRefused, OutOfResources, RefusalReason
from dicom_node.intake.admission import StoreCommand
from dicom_node.intake.reception import OfferedInstance, Received, receive_instance
from dicom_node.resources import Resources
from tests.synthetic.studies import chest_film, part10

EXPLICIT = "1.2.840.10008.1.2.1"
SENDER = Sender(association_id="association-1", calling_ae_title="SENDER")
FILM = chest_film()
WHOLE = part10(FILM)


def offer(resources: Resources, content: bytes = WHOLE) -> OfferedInstance:
    part = resources.archive.new_incoming()
    part.write_bytes(content)
    command = StoreCommand(
        sop_class_uid=FILM.SOPClassUID,
        sop_instance_uid=FILM.SOPInstanceUID,
        context_sop_class_uid=FILM.SOPClassUID,
        transfer_syntax_uid=EXPLICIT,
    )
    digest = hashlib.sha256(content).hexdigest()
    return OfferedInstance(command=command, part=part, sha256=digest, size=len(content))


def receive(resources: Resources, offered: OfferedInstance) -> Received:
    return receive_instance(
        resources,
        offered,
        sender=SENDER,
        sop_classes={str(FILM.SOPClassUID)},
        transfer_syntaxes={EXPLICIT},
    )


def files(resources: Resources) -> list[Path]:
    return [path for path in resources.archive.root.rglob("*") if path.is_file()]


def rows(resources: Resources) -> int:
    with resources.database.read() as session:
        return len(studies.instances_of(session, FILM.StudyInstanceUID))


def test_a_received_instance_has_its_file_and_its_row(resources: Resources) -> None:
    received = receive(resources, offer(resources))
    assert received.recorded is Recorded.NEW
    with resources.database.read() as session:
        (instance,) = studies.instances_of(session, FILM.StudyInstanceUID)
    assert resources.archive.path(instance.path).read_bytes() == WHOLE
    assert len(files(resources)) == 1, "the spooled file is gone"


def test_a_conflict_keeps_the_first_content_only(resources: Resources) -> None:
    receive(resources, offer(resources))
    other = part10(chest_film(SeriesDescription="ANOTHER"))
    with pytest.raises(InstanceRefused) as refused:
        receive(resources, offer(resources, other))
    assert refused.value.reason is RefusalReason.CONFLICT
    assert [path.read_bytes() for path in files(resources)] == [WHOLE]


def test_a_duplicate_whose_transaction_fails_keeps_the_file_of_the_first(resources: Resources) -> None:
    receive(resources, offer(resources))
    away = replace(resources, database=Database("postgresql+psycopg://nobody@/node?host=/nonexistent"))
    with pytest.raises(OutOfResources):
        receive(away, offer(resources))
    away.database.close()
    assert [path.read_bytes() for path in files(resources)] == [WHOLE]
    assert receive(resources, offer(resources)).recorded is Recorded.DUPLICATE


def test_an_error_that_nobody_foresaw_keeps_nothing_either(resources: Resources) -> None:
    with resources.database.begin() as session:
        session.execute(sa.text("ALTER TABLE audit_events RENAME TO moved_away"))
    try:
        with pytest.raises((sa.exc.SQLAlchemyError, OutOfResources)):
            receive(resources, offer(resources))
    finally:
        with resources.database.begin() as session:
            session.execute(sa.text("ALTER TABLE moved_away RENAME TO audit_events"))
    assert files(resources) == []
    assert rows(resources) == 0


@contextmanager
def commits_of_instances_fail(resources: Resources) -> Iterator[None]:
    """The server refuses at COMMIT, as late as it can."""
    statements = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'disk full' USING ERRCODE = '53100'; END $$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON instances DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    with resources.database.begin() as session:
        for statement in statements:
            session.execute(sa.text(statement))
    try:
        yield
    finally:
        with resources.database.begin() as session:
            session.execute(sa.text("DROP TRIGGER refuse ON instances"))
            session.execute(sa.text("DROP FUNCTION refuse"))


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_commit_that_is_refused_keeps_nothing(resources: Resources) -> None:
    with commits_of_instances_fail(resources), pytest.raises(OutOfResources):
        receive(resources, offer(resources))
    assert files(resources) == []
    assert rows(resources) == 0


def test_the_same_instance_from_many_threads_is_one_row_and_one_file(resources: Resources) -> None:
    recorded: list[Recorded] = []

    def work() -> None:
        recorded.append(receive(resources, offer(resources)).recorded)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.value for one in recorded) == ["duplicate"] * 7 + ["new"]
    assert len(files(resources)) == 1
    assert rows(resources) == 1


def test_a_file_that_is_lost_is_healed_by_sending_it_again(resources: Resources) -> None:
    receive(resources, offer(resources))
    (lost,) = files(resources)
    lost.unlink()
    assert receive(resources, offer(resources)).recorded is Recorded.DUPLICATE
    assert files(resources) == [lost]
