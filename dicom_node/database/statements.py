"""The few statements that SQLite and PostgreSQL spell differently."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert_or_ignore(session: Session, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert the row unless a unique constraint forbids it; tell whether it was inserted."""
    insert = postgresql.insert if is_postgresql(session) else sqlite.insert
    statement = insert(table).values(values).on_conflict_do_nothing().returning(sa.literal(1))
    return session.execute(statement).first() is not None


def upsert(session: Session, table: sa.Table, keys: dict[str, Any], values: dict[str, Any]) -> None:
    """Insert the row, or set ``values`` on the one that has these keys."""
    insert = postgresql.insert if is_postgresql(session) else sqlite.insert
    statement = insert(table).values({**keys, **values})
    session.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))


def locked(session: Session, statement: sa.Select[Any]) -> sa.Select[Any]:
    """Lock the selected rows until the transaction ends, waiting for others who hold them.

    SQLite needs nothing: a writing transaction already is alone. The lock is the weaker one that lets others
    insert rows which refer to the locked one, or two workers of one study would wait for each other.
    """
    return statement.with_for_update(key_share=True) if is_postgresql(session) else statement


def locked_free(session: Session, statement: sa.Select[Any]) -> sa.Select[Any]:
    """Lock those of the selected rows that nobody else holds, and leave out the others."""
    return (
        statement.with_for_update(skip_locked=True, key_share=True) if is_postgresql(session) else statement
    )


def lock_table(session: Session, table: sa.Table) -> None:
    """Let nobody else write to the table until the transaction ends; reading goes on."""
    if is_postgresql(session):
        session.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def is_postgresql(session: Session) -> bool:
    """Tell which of the two databases the session is on."""
    return session.get_bind().dialect.name == "postgresql"
