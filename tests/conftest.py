"""What tests work with: throwaway settings, a migrated database of each kind, an archive, resources."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_node.archive import Archive
from dicom_node.database import migrate
from dicom_node.database.engine import Database
from dicom_node.resources import Resources, open_resources
from dicom_node.settings import Settings
from tests.peers.postgres import Postgres

_SET_BY_COMMANDS = ("pynetdicom", "highdicom", "httpx", "alembic", "kombu", "celery", "pydicom")
_FOR_TESTS_ONLY = {"DICOM_NODE_DATA_DIR", "DICOM_NODE_REQUIRE_PEERS"}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own installation must not decide what a test sees."""
    for name in set(os.environ) - _FOR_TESTS_ONLY:
        if name.startswith("DICOM_NODE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that runs in this process sets up logging for good: the next test must not go silent."""
    loggers = [logging.getLogger(), *map(logging.getLogger, _SET_BY_COMMANDS)]
    levels, handlers = [logger.level for logger in loggers], list(loggers[0].handlers)
    with warnings.catch_warnings():
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    loggers[0].handlers[:] = handlers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Every port free, everything in a folder that pytest removes, SQLite without a schema yet."""
    return Settings(data_home=tmp_path / "node", scp_port=0, web_port=0, minimum_free_space_mb=0)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file: a test copies it instead of migrating."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """A throwaway cluster for the whole session; who restarts or breaks one starts another."""
    with Postgres() as running:
        yield running


@pytest.fixture(scope="session")
def postgresql_database(postgresql: Postgres) -> Iterator[str]:
    """A migrated PostgreSQL database that tests share and leave empty: creating one takes half a second."""
    with postgresql.new_database() as url:
        migrate.upgrade(url)
        # Nothing here outlives its test; durability is tested on clusters of their own.
        _execute(url, "ALTER DATABASE " + str(sa.make_url(url).database) + " SET synchronous_commit = off")
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema: SQLite, and again PostgreSQL."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgresql")
    with server.new_database() as url:
        yield url


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database: SQLite, and again PostgreSQL."""
    if database_kind == "sqlite":
        copy = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "node.sqlite")
        yield f"sqlite:///{copy}"
        return
    shared: str = request.getfixturevalue("postgresql_database")
    yield shared
    _emptied(shared)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An opened, migrated database: SQLite, and again PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def resources(settings: Settings, database_url: str) -> Iterator[Resources]:
    """What a process of the node opens, on a migrated database: SQLite, and again PostgreSQL."""
    opened = open_resources(settings.model_copy(update={"database_url": database_url}))
    yield opened
    opened.close()


def _execute(url: str, statement: str) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text(statement))


def _emptied(url: str) -> None:
    """Delete every row, past the trigger that keeps the audit trail; end who still holds a lock."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for name in sa.inspect(connection).get_table_names():
            if name != "alembic_version":
                connection.execute(sa.text(f"DELETE FROM {name}"))
