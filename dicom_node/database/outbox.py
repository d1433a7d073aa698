"""The outbox: one row an Instance and Destination, and what came of each."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.tables import delivery_instances, instances, outputs, series
from dicom_node.domain.delivery import InstanceAnswer, InstanceState, OutboxInstance
from dicom_node.domain.identifiers import AnalysisId, DeliveryId

_COPIED = ("delivery_id", "sop_instance_uid", "sop_class_uid", "path", "sha256", "state")


def enter_results(session: Session, delivery_id: DeliveryId, analysis_id: AnalysisId) -> None:
    """Enter every Instance that the Analysis made."""
    _fill(session, delivery_id, outputs, sa.select(outputs).where(outputs.c.analysis_id == analysis_id))


def enter_originals(session: Session, delivery_id: DeliveryId, study_id: int) -> None:
    """Enter every Instance that the study was complete with; late ones are not part of it."""
    stored = (
        sa.select(instances)
        .join(series, series.c.id == instances.c.series_id)
        .where(series.c.study_id == study_id, instances.c.late.is_(False))
    )
    _fill(session, delivery_id, instances, stored)


def outbox_of(session: Session, delivery_id: DeliveryId) -> list[OutboxInstance]:
    """Return the Instances of the Delivery in the order of sending.

    What a report refers to comes before the report; originals go in the order in which they came.
    """
    rows = session.execute(
        sa.select(delivery_instances)
        .outerjoin(outputs, outputs.c.sop_instance_uid == delivery_instances.c.sop_instance_uid)
        .outerjoin(instances, instances.c.sop_instance_uid == delivery_instances.c.sop_instance_uid)
        .where(delivery_instances.c.delivery_id == delivery_id)
        .order_by(outputs.c.role, instances.c.id, delivery_instances.c.sop_instance_uid)
    )
    return [_instance_of(row) for row in rows]


def enter_answers(
    session: Session, delivery_id: DeliveryId, answers: Iterable[InstanceAnswer], *, now: datetime
) -> None:
    """Enter what came of sending, in the transaction in which the job is known to be still held."""
    for answer in answers:
        values: dict[str, Any] = {"accepted_at": now} if answer.state is InstanceState.ACCEPTED else {}
        session.execute(
            _of(delivery_id, [answer.sop_instance_uid]).values(
                state=answer.state.value,
                form=answer.form[:128],
                status=answer.status,
                answer=answer.answer[:2000],
                attempts=delivery_instances.c.attempts + 1,
                **values,
            )
        )


def enter_proof(session: Session, delivery_id: DeliveryId, proved: Iterable[str], *, now: datetime) -> None:
    """Enter that the Destination has shown that it has these SOP Instance UIDs."""
    session.execute(
        _of(delivery_id, proved)
        .where(delivery_instances.c.state == InstanceState.ACCEPTED.value)
        .values(state=InstanceState.VERIFIED.value, verified_at=now)
    )


def enter_loss(session: Session, delivery_id: DeliveryId, lost: Iterable[str], *, reason: str) -> int:
    """Let what was accepted and not kept be PENDING again; return how many that are."""
    rows = session.execute(
        _of(delivery_id, lost)
        .where(delivery_instances.c.state == InstanceState.ACCEPTED.value)
        .values(state=InstanceState.PENDING.value, accepted_at=None, answer=reason[:2000])
        .returning(delivery_instances.c.sop_instance_uid)
    ).all()
    return len(rows)


def reset_refused(session: Session, delivery_id: DeliveryId) -> None:
    """Let what was refused be PENDING again; what was accepted or proved stays."""
    session.execute(
        sa.update(delivery_instances)
        .where(
            delivery_instances.c.delivery_id == delivery_id,
            delivery_instances.c.state == InstanceState.REFUSED.value,
        )
        .values(state=InstanceState.PENDING.value)
    )


def _of(delivery_id: DeliveryId, sop_instance_uids: Iterable[str]) -> sa.Update:
    return sa.update(delivery_instances).where(
        delivery_instances.c.delivery_id == delivery_id,
        delivery_instances.c.sop_instance_uid.in_(list(sop_instance_uids)),
    )


def _fill(session: Session, delivery_id: DeliveryId, source: sa.Table, chosen: sa.Select[Any]) -> None:
    kept: Sequence[sa.ColumnElement[Any]] = (
        source.c.sop_instance_uid,
        source.c.sop_class_uid,
        source.c.path,
        source.c.sha256,
    )
    selected = chosen.with_only_columns(
        sa.literal(delivery_id, sa.Uuid), *kept, sa.literal(InstanceState.PENDING.value)
    )
    session.execute(sa.insert(delivery_instances).from_select(_COPIED, selected))


def _instance_of(row: sa.Row[Any]) -> OutboxInstance:
    return OutboxInstance(
        delivery_id=DeliveryId(row.delivery_id),
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        path=row.path,
        sha256=row.sha256,
        state=InstanceState(row.state),
        form=row.form,
        status=row.status,
        answer=row.answer,
        attempts=row.attempts,
    )
