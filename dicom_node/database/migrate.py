"""Bring a database to the newest schema, or say which one it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dicom_node.database.engine import postgresql_engine, sqlite_engine
from dicom_node.errors import ConfigurationError, OutOfResources

_LOCK = 0x6469636F6D
"""Advisory lock of PostgreSQL, so that two nodes that start together migrate once."""


def upgrade(url: str) -> None:
    """Run every migration that the database does not have yet: all of them, or none.

    Raises
    ------
    OutOfResources
        The database cannot be reached or written.
    """
    with _alone(url) as connection:
        command.upgrade(_config(connection), "head")


def downgrade(url: str, revision: str) -> None:
    """Go back to a revision; for tests and for people who know what they lose."""
    with _alone(url) as connection:
        command.downgrade(_config(connection), revision)


def current_revision(url: str) -> str | None:
    """Return the revision that the database has, None before the first migration; raises OutOfResources."""
    with _reading(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """Return the revision that this version of the software wants."""
    return ScriptDirectory(str(files("migrations"))).get_current_head()


def check_schema(url: str) -> None:
    """Check that the database has the schema that this version of the software wants.

    Raises
    ------
    ConfigurationError
        It has another one, or none.
    OutOfResources
        It cannot be reached.
    """
    if current_revision(url) != newest_revision():
        raise ConfigurationError("the database: its schema is not this version's; run `dicom-node migrate`")


def differences(url: str) -> list[object]:
    """Return what autogenerate would still change: empty when tables and migrations agree."""
    from alembic.autogenerate import compare_metadata

    from dicom_node.database.tables import metadata

    with _reading(url) as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


@contextmanager
def _alone(url: str) -> Iterator[sa.Connection]:
    """Open the one transaction that migrates; who comes at the same time waits and finds nothing to do.

    Python's SQLite driver by itself commits before every DDL statement, and a migration that died half way
    would leave tables that no revision knows.
    """
    on_postgresql = _is_postgresql(url)
    opened = postgresql_engine(sa.make_url(url)) if on_postgresql else _sqlite_alone(url)
    with _disposed(opened) as engine, engine.begin() as connection:
        if on_postgresql:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        yield connection


def _sqlite_alone(url: str) -> sa.Engine:
    if database := sa.make_url(url).database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    return sqlite_engine(sa.make_url(url), "BEGIN IMMEDIATE", foreign_keys="OFF")


@contextmanager
def _reading(url: str) -> Iterator[sa.Connection]:
    opened = postgresql_engine(sa.make_url(url)) if _is_postgresql(url) else sa.create_engine(url)
    with _disposed(opened) as engine, engine.connect() as connection:
        yield connection


def _is_postgresql(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "postgresql"


@contextmanager
def _disposed(engine: sa.Engine) -> Iterator[sa.Engine]:
    try:
        yield engine
    except sa.exc.OperationalError as error:
        raise OutOfResources(f"the database cannot be used: {error.orig}") from error
    finally:
        engine.dispose()


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
