"""Transactions: commit, roll back, isolation, time, and what a broken database looks like."""

import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_node.database.engine import Database
from dicom_node.database.tables import models, studies
from dicom_node.errors import OutOfResources
from tests.synthetic.stories import CXR, NOON, receive_study, register


def versions(database: Database) -> int:
    with database.read() as session:
        return session.execute(sa.select(sa.func.count()).select_from(models)).scalar_one()


def test_an_error_rolls_everything_back(database: Database) -> None:
    def register_and_fail() -> None:
        with database.begin() as session:
            session.execute(sa.insert(models).values(**_row("1.0.0")))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        register_and_fail()
    assert versions(database) == 0


def test_writers_take_turns_and_lose_no_update(database: Database) -> None:
    """Read, then write, from eight threads: an upgraded reading transaction would fail on SQLite."""
    receive_study(database)
    lock_first = sa.select(studies.c.instance_count).with_for_update()
    together = threading.Barrier(8)
    failures: list[BaseException] = []

    def add_ten() -> None:
        together.wait(timeout=10)
        for _ in range(10):
            with database.begin() as session:
                count = session.execute(lock_first).scalar_one()
                session.execute(sa.update(studies).values(instance_count=count + 1))

    def run() -> None:
        try:
            add_ten()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    with database.read() as session:
        assert session.execute(sa.select(studies.c.instance_count)).scalar_one() == 81


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.begin() as session:
        session.execute(sa.insert(models).values(**_row("1.0.0")))
        assert versions(database) == 0
    assert versions(database) == 1


def test_the_clock_of_leases_is_aware_and_close_to_ours(database: Database) -> None:
    with database.begin() as session:
        now = database.now(session)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_clock_of_leases_goes_on_within_a_transaction(database: Database) -> None:
    with database.begin() as session:
        first = database.now(session)
        assert database.now(session) > first


def test_times_come_back_as_they_were_written_in_utc(database: Database) -> None:
    elsewhere = NOON.astimezone(datetime.strptime("+0530", "%z").tzinfo) + timedelta(microseconds=123456)
    with database.begin() as session:
        session.execute(sa.insert(models).values(**{**_row("1.0.0"), "registered_at": elsewhere}))
    with database.read() as session:
        read = session.execute(sa.select(models.c.registered_at)).scalar_one()
    assert read == elsewhere
    assert read.tzinfo is UTC


def test_a_time_without_a_zone_is_not_stored(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="time zone"), database.begin() as session:
        session.execute(sa.insert(models).values(**{**_row("1.0.0"), "registered_at": datetime(2026, 1, 1)}))


@pytest.mark.parametrize("table", ["studies", "analyses", "jobs", "deliveries"])
def test_the_schema_refuses_an_unknown_state(database: Database, table: str) -> None:
    receive_study(database)
    register(database, CXR)
    known = {"studies": "RECEIVING", "analyses": "REQUESTED", "jobs": "READY", "deliveries": "PENDING"}[table]
    with database.read() as session:
        found = sa.inspect(session.connection()).get_check_constraints(table)
    assert any(
        known in constraint["sqltext"] and "FINISHED" not in constraint["sqltext"] for constraint in found
    )
    if table == "studies":
        with pytest.raises(sa.exc.IntegrityError), database.begin() as session:
            session.execute(sa.update(studies).values(state="FINISHED"))


def test_sqlite_is_opened_for_durability(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'folder' / 'node.sqlite'}")
    with database.begin() as session:
        pragmas = {
            name: session.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_database_that_cannot_be_opened_is_out_of_resources(tmp_path: Path) -> None:
    (tmp_path / "node.sqlite").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    with pytest.raises(OutOfResources), database.begin() as session:
        session.execute(sa.text("SELECT 1"))


def test_a_server_that_does_not_answer_is_out_of_resources() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/node?connect_timeout=2")
    with pytest.raises(OutOfResources), database.read() as session:
        session.execute(sa.text("SELECT 1"))
    database.close()


@pytest.mark.parametrize("database_kind", ["postgresql"])  # SQLite has no server
def test_the_database_works_again_after_its_server_cut_every_connection(database: Database) -> None:
    with database.read() as session:
        session.execute(sa.text("SELECT 1"))
    with pytest.raises(OutOfResources), database.begin() as session:
        session.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert versions(database) == 0


def test_an_error_does_not_quote_the_parameters_which_are_a_patient_s(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError) as refused, database.begin() as session:
        session.execute(sa.insert(studies).values(patient_name="SECRET^NAME", patient_id="SECRET-1"))

    said_by_the_server = str(refused.value.orig)
    assert "SECRET" not in str(refused.value).replace(said_by_the_server, "")


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(
            Database(f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none")
        ) as database,
    ):
        began = time.monotonic()
        with pytest.raises(OutOfResources), database.read() as session:
            session.execute(sa.text("SELECT 1"))
        assert time.monotonic() - began < 15


def _row(version: str) -> dict[str, object]:
    return {
        "name": CXR.name,
        "version": version,
        "weights_sha256": "a" * 64,
        "modalities": "DX",
        "active": True,
        "registered_at": NOON,
    }
