"""Every migration runs on both databases, forwards and back, and says what the tables say."""

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from dicom_node.database import migrate
from dicom_node.errors import OutOfResources


def table_names(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_an_empty_database_is_brought_to_the_newest_schema(empty_database_url: str) -> None:
    assert migrate.current_revision(empty_database_url) is None
    migrate.upgrade(empty_database_url)
    assert migrate.current_revision(empty_database_url) == migrate.newest_revision()
    assert {"studies", "jobs", "audit_events"} <= table_names(empty_database_url)


def test_the_tables_and_the_migrations_say_the_same(database_url: str) -> None:
    assert migrate.differences(database_url) == []


def test_a_difference_would_be_found(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    engine = sa.create_engine(empty_database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE jobs ADD COLUMN forgotten INTEGER"))
    assert len(migrate.differences(empty_database_url)) == 1


def test_an_upgrade_that_is_not_needed_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    assert migrate.current_revision(database_url) == migrate.newest_revision()


def test_every_migration_can_be_taken_back_and_run_again(empty_database_url: str) -> None:
    newest_first = list(ScriptDirectory(str(files("migrations"))).walk_revisions())
    assert newest_first
    migrate.upgrade(empty_database_url)
    for script in newest_first:
        migrate.downgrade(empty_database_url, "-1")
        assert migrate.current_revision(empty_database_url) == script.down_revision
        migrate.upgrade(empty_database_url)
        assert migrate.differences(empty_database_url) == []
        migrate.downgrade(empty_database_url, script.down_revision or "base")
    assert table_names(empty_database_url) <= {"alembic_version"}


def test_nodes_that_start_together_migrate_once(empty_database_url: str) -> None:
    together = threading.Barrier(4)

    def start_a_node(_: int) -> str | None:
        together.wait(timeout=10)
        migrate.upgrade(empty_database_url)
        return migrate.current_revision(empty_database_url)

    with ThreadPoolExecutor(4) as nodes:
        assert set(nodes.map(start_a_node, range(4))) == {migrate.newest_revision()}


def test_a_migration_that_dies_half_way_leaves_nothing(empty_database_url: str) -> None:
    """A table of the same name in the way stands for whatever stops a migration in the middle."""
    engine = sa.create_engine(empty_database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE outputs (id INTEGER)"))
    with pytest.raises((OutOfResources, sa.exc.ProgrammingError), match="outputs"):
        migrate.upgrade(empty_database_url)
    assert table_names(empty_database_url) <= {"outputs", "alembic_version"}
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE outputs"))
    migrate.upgrade(empty_database_url)
    assert migrate.differences(empty_database_url) == []


def test_a_server_that_does_not_answer_is_out_of_resources() -> None:
    with pytest.raises(OutOfResources, match="cannot be used"):
        migrate.upgrade("postgresql+psycopg://nobody@127.0.0.1:1/node?connect_timeout=2")


def test_deliveries_of_the_first_schema_become_outbox_rows(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    migrate.downgrade(empty_database_url, "8d4d6a8f6506")
    engine = sa.create_engine(empty_database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in _A_DELIVERED_RESULT:
            connection.execute(sa.text(statement))
    migrate.upgrade(empty_database_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT study_id FROM deliveries")).scalars().all() == [7]
        rows = connection.execute(sa.text("SELECT sop_instance_uid, state FROM delivery_instances"))
        assert [tuple(row) for row in rows] == [("1.2.3", "ACCEPTED")]


_UUID = "00000000000000000000000000000001"
_A_DELIVERED_RESULT = (
    "INSERT INTO studies (id, study_instance_uid, state, received_at, last_instance_at, complete_after)"
    " VALUES (7, '1.2', 'DONE', '2026-11-22 05:31:04', '2026-11-22 05:31:04', '2026-11-22 05:31:04')",
    "INSERT INTO models (id, name, version, weights_sha256, modalities, active, registered_at)"
    " VALUES (1, 'm', '1', '', 'CR', TRUE, '2026-11-22 05:31:04')",
    "INSERT INTO analyses (id, study_id, model_id, revision, state, priority, created_at)"
    f" VALUES ('{_UUID}', 7, 1, 1, 'COMPLETED', 5, '2026-11-22 05:31:04')",
    "INSERT INTO outputs (id, analysis_id, role, sop_instance_uid, sop_class_uid, series_instance_uid,"
    f" path, sha256, size) VALUES (1, '{_UUID}', 'SR', '1.2.3', '1.2', '1.2', 'p', '', 1)",
    "INSERT INTO deliveries (id, analysis_id, destination, state, created_at, delivered_at)"
    f" VALUES ('{_UUID}', '{_UUID}', 'PACS@h:1', 'DELIVERED', '2026-11-22 05:31:04', '2026-11-22 05:31:04')",
)
