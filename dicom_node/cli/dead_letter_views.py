"""What `dead-letters` shows and does."""

import json
from contextlib import closing
from dataclasses import dataclass
from uuid import UUID

import typer
from sqlalchemy.exc import NoResultFound

from dicom_node.cli.person import operating_user
from dicom_node.database import dead_letters, deliveries, outbox
from dicom_node.domain.delivery import Delivery, OutboxInstance
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.domain.text import printable
from dicom_node.errors import StateConflict
from dicom_node.resources import open_resources
from dicom_node.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """The dead letters that a person means: one, those to a Destination, or all."""

    delivery_id: UUID | None = None
    destination: str = ""


def show_letters(settings: Settings, destination: str, *, limit: int, as_json: bool) -> None:
    """Show dead letters, oldest first."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        found = dead_letters.dead_letters(session, destination=destination, limit=limit)
    if as_json:
        typer.echo(json.dumps([delivery_as_json(one) for one in found], indent=2))
        return
    for one in found:
        typer.echo(printable(_line(one)))
    typer.echo(f"{len(found)} dead letter{'' if len(found) == 1 else 's'}")


def show_letter(settings: Settings, delivery_id: UUID, *, as_json: bool) -> int:
    """Show a delivery with its instances; exit code 1 when there is none."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        try:
            found = deliveries.find_delivery(session, DeliveryId(delivery_id))
        except NoResultFound:
            typer.echo(f"there is no delivery {delivery_id}", err=True)
            return 1
        rows = outbox.outbox_of(session, found.delivery_id)
    if as_json:
        instances = [_instance_as_json(row) for row in rows]
        typer.echo(json.dumps({**delivery_as_json(found), "instances": instances}, indent=2))
        return 0
    typer.echo(printable(_line(found)))
    for row in rows:
        form = f" as {row.form}" if row.form else ""
        typer.echo(printable(f"  {row.state.value:9} {row.sop_instance_uid}{form}  {row.answer}"))
    return 0


def replay_letters(settings: Settings, which: Which, *, as_json: bool) -> int:
    """Let dead letters be sent again; exit code 1 when there was none, or the one named is none."""
    actor = operating_user()
    replayed = []
    with closing(open_resources(settings)) as resources:
        for delivery_id in _meant(settings, which):
            try:
                with resources.database.begin() as session:
                    now = resources.database.now(session)
                    dead_letters.replay(session, delivery_id, actor=actor, now=now)
            except StateConflict:
                continue  # it is no dead letter, or somebody else was first
            replayed.append(str(delivery_id))
        resources.dispatcher_bell.ring()
    if as_json:
        typer.echo(json.dumps({"replayed": replayed}, indent=2))
    else:
        typer.echo(f"{len(replayed)} to be sent again")
    return 0 if replayed else 1


def delivery_as_json(delivery: Delivery) -> dict[str, object]:
    """Return a delivery as plain values."""
    return {
        "delivery_id": str(delivery.delivery_id),
        "study_instance_uid": delivery.study_instance_uid,
        "content": delivery.content.value,
        "analysis_id": str(delivery.analysis_id) if delivery.analysis_id else None,
        "destination": delivery.destination,
        "state": delivery.state.value,
        "proof": delivery.proof.value,
        "attempts": delivery.attempts,
        "resends": delivery.resends,
        "answer": delivery.last_answer,
        "created_at": delivery.created_at.isoformat(),
        "delivered_at": delivery.delivered_at.isoformat() if delivery.delivered_at else None,
        "verified_at": delivery.verified_at.isoformat() if delivery.verified_at else None,
    }


def _meant(settings: Settings, which: Which) -> list[DeliveryId]:
    if which.delivery_id is not None:
        return [DeliveryId(which.delivery_id)]
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        found = dead_letters.dead_letters(session, destination=which.destination, limit=1_000_000)
    return [one.delivery_id for one in found]


def _instance_as_json(row: OutboxInstance) -> dict[str, object]:
    return {
        "sop_instance_uid": row.sop_instance_uid,
        "sop_class_uid": row.sop_class_uid,
        "state": row.state.value,
        "form": row.form,
        "status": row.status,
        "answer": row.answer,
        "attempts": row.attempts,
    }


def _line(delivery: Delivery) -> str:
    return "  ".join(
        [
            str(delivery.delivery_id),
            f"{delivery.created_at:%Y-%m-%d %H:%M:%S}",
            f"{delivery.state.value:9}",
            f"{delivery.content.value.lower():9}",
            delivery.destination,
            delivery.study_instance_uid,
            delivery.last_answer,
        ]
    )
