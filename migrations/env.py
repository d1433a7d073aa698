"""Alembic's entry: runs migrations on the connection handed down, or on the URL of the settings."""

from typing import Literal

import sqlalchemy as sa
from alembic import context

from dicom_node.database.tables import UTCDateTime, metadata
from dicom_node.settings import Settings


def _render_item(kind: str, item: object, _autogen: object) -> str | Literal[False]:
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, render_item=_render_item
    )
    with context.begin_transaction():
        context.run_migrations()


_given = context.config.attributes.get("connection")
if _given is not None:
    _run(_given)
else:
    with sa.create_engine(Settings().effective_database_url).begin() as _own:
        _run(_own)
