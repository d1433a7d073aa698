"""Engines and transactions, on SQLite (WAL, FULL) and PostgreSQL."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from dicom_node.errors import OutOfResources

_UNAVAILABLE = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,
    sa.exc.TimeoutError,
)

# libpq's: seconds to connect, and keep-alives that find out within half a minute that a server is gone.
_PATIENCE = {"connect_timeout": 5, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}


class Database:
    """A writing and a reading engine on one URL; opened once a process.

    On SQLite every writing transaction is ``BEGIN IMMEDIATE`` (an upgrade from reading to writing ignores the
    busy time-out), which is why reading has an engine of its own.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.is_postgresql = self.url.get_backend_name() == "postgresql"
        if self.is_postgresql:
            self._writing = postgresql_engine(self.url)
            self._reading = self._writing
            return
        if self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        self._writing = sqlite_engine(self.url, "BEGIN IMMEDIATE")
        self._reading = sqlite_engine(self.url, "BEGIN")

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a writing transaction; commits at the end, rolls back on an error.

        Raises
        ------
        OutOfResources
            The database cannot be reached, is locked for too long or has no space: nothing was written.
        """
        with self._transaction(self._writing) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a reading transaction; raises like :meth:`begin`."""
        with self._transaction(self._reading) as session:
            yield session

    def now(self, session: Session) -> datetime:
        """Return the time of the clock that leases are measured with.

        On PostgreSQL, where workers run on several hosts, that is the server's; on SQLite it is this host's.
        """
        if not self.is_postgresql:
            return datetime.now(UTC)
        at: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return at.astimezone(UTC)

    def close(self) -> None:
        """Close every connection."""
        self._writing.dispose()
        self._reading.dispose()

    @contextmanager
    def _transaction(self, engine: sa.Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except _UNAVAILABLE as error:
            raise OutOfResources(f"database unavailable ({type(error).__name__})") from error


def postgresql_engine(url: sa.URL) -> sa.Engine:
    """Return an engine that does not wait for ever for a server that does not answer its connections."""
    return sa.create_engine(
        url,
        connect_args=_PATIENCE,
        pool_size=5,
        max_overflow=15,
        pool_pre_ping=True,
        hide_parameters=True,  # errors are logged, and parameters are a patient's
    )


def sqlite_engine(url: sa.URL, begin: str, *, foreign_keys: Literal["ON", "OFF"] = "ON") -> sa.Engine:
    """Return an engine whose transactions start with ``begin``; the driver itself starts and ends none.

    Migrations that rebuild a table need ``foreign_keys`` off; everything else relies on them.
    """
    engine = sa.create_engine(
        url,
        connect_args={"timeout": 15, "check_same_thread": False},
        pool_size=8,
        max_overflow=24,
        hide_parameters=True,  # errors are logged, and parameters are a patient's
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        _switch_to_wal(connection)
        for pragma in ("busy_timeout=15000", "synchronous=FULL", f"foreign_keys={foreign_keys}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Set the journal mode of the file, which may happen in several processes that start together.

    Each then waits for the other to stop reading, until the busy time-out: so fail at once and try again.
    """
    connection.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + 15
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
