"""The throwaway PostgreSQL is durable, private and comes back."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.peers.postgres import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def test_what_was_committed_is_there_after_an_immediate_restart(server: Postgres) -> None:
    with server.new_database() as url:
        run(url, "CREATE TABLE kept AS SELECT 42 AS number")
        server.restart_immediately()
        assert run(url, "SELECT number FROM kept") == [(42,)]


@pytest.mark.parametrize(
    ("setting", "value"), [("fsync", "on"), ("synchronous_commit", "on"), ("listen_addresses", "")]
)
def test_it_runs_as_a_careful_operator_would_run_it(server: Postgres, setting: str, value: str) -> None:
    assert run(server.url, f"SHOW {setting}") == [(value,)]


def test_while_it_is_down_nobody_connects(server: Postgres) -> None:
    server.stop_immediately()
    try:
        with pytest.raises(sa.exc.OperationalError):
            run(server.url, "SELECT 1")
    finally:
        server.start()
    assert run(server.url, "SELECT 1") == [(1,)]
