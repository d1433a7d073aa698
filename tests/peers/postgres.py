"""A throwaway PostgreSQL cluster: real, durable, on a private unix socket, and it can be restarted hard."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.peers.programs import require

_SUPERUSER = "postgres"


class Postgres:
    """A cluster of its own in a short temporary folder; a context manager, meant for a whole session.

    PostgreSQL refuses to run as root: then the account ``postgres`` that its package makes runs it.
    """

    def __init__(self) -> None:
        initdb = require("initdb").resolve()
        self._programs = initdb.parent
        self._folder = Path(tempfile.mkdtemp(prefix="dn-pg-"))  # short: a unix socket path holds 107 bytes
        self._account = _SUPERUSER if os.geteuid() == 0 else None
        if self._account is not None:
            owner = pwd.getpwnam(self._account)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._data = self._folder / "data"

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the maintenance database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return SQLAlchemy's URL of a database of the cluster."""
        return f"postgresql+psycopg://{_SUPERUSER}@/{database}?host={self._folder}"

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """Create an empty database for a while; gives its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self.url_of(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def __enter__(self) -> Self:
        self._run(
            "initdb",
            *("--pgdata", self._data, "--username", _SUPERUSER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),  # of the empty cluster only
        )
        settings = f"listen_addresses = ''\nunix_socket_directories = '{self._folder}'\nfsync = on\n"
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(settings + "synchronous_commit = on\nmax_connections = 100\n")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "--pgdata", self._data, "--mode", "immediate", "stop", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and return when connections are taken."""
        log = self._folder / "log"
        self._run("pg_ctl", "--pgdata", self._data, "--log", log, "--wait", "--timeout", "60", "start")

    def stop_immediately(self) -> None:
        """End every server process without a checkpoint, as a power cut would."""
        self._run("pg_ctl", "--pgdata", self._data, "--mode", "immediate", "stop")

    def restart_immediately(self) -> None:
        """Break every connection and recover from the log."""
        self.stop_immediately()
        self.start()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self._folder), user=_SUPERUSER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> None:
        with (self._folder / "commands").open(
            "ab"
        ) as log:  # a pipe would stay open as long as the server runs
            finished = subprocess.run(
                [self._programs / program, *arguments],
                user=self._account,
                group=self._account,
                extra_groups=[] if self._account else None,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=120,
            )
        if check and finished.returncode:
            raise AssertionError(f"{program} failed:\n{(self._folder / 'commands').read_text()[-2000:]}")
