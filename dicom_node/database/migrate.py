"""Bring a database to the newest schema, or say which one it has."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

_LOCK = 0x6469636F6D
"""Advisory lock of PostgreSQL, so that two nodes that start together migrate once."""


def upgrade(url: str) -> None:
    """Run every migration that the database does not have yet."""
    _run(url, "head")


def downgrade(url: str, revision: str) -> None:
    """Go back to a revision; for tests and for people who know what they lose."""
    config, engine = _configured(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


def current_revision(url: str) -> str | None:
    """Return the revision that the database has, None before the first migration."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return revision


def newest_revision() -> str | None:
    """Return the revision that this version of the software wants."""
    return ScriptDirectory(str(files("migrations"))).get_current_head()


def differences(url: str) -> list[object]:
    """Return what autogenerate would still change: empty when tables and migrations agree."""
    from alembic.autogenerate import compare_metadata

    from dicom_node.database.tables import metadata

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = list(compare_metadata(MigrationContext.configure(connection), metadata))
    engine.dispose()
    return found


def _run(url: str, revision: str) -> None:
    config, engine = _configured(url)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def _configured(url: str) -> tuple[Config, sa.Engine]:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    return config, sa.create_engine(url)
