"""Which models this installation has: workers enter theirs at start, routing reads them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import lock_table
from dicom_node.database.tables import models
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A model that workers of this installation can run."""

    identity: ModelIdentity
    modalities: frozenset[str]
    """Modalities of the studies that it reads, e.g. CR and DX."""


def register_models(
    session: Session, registered: Iterable[RegisteredModel], *, actor: str, now: datetime
) -> None:
    """Enter the models; the newest version of a name that was entered is the active one.

    Every worker of an installation offers the same models, so a name that is offered no longer is retired:
    no new study goes to it.

    Raises
    ------
    ConfigurationError
        A version is known with other weights: one version must be one set of weights, for ever.
    """
    lock_table(session, models)  # workers start together
    offered = tuple(registered)
    for model in offered:
        known = session.execute(
            sa.select(models).where(
                models.c.name == model.identity.name, models.c.version == model.identity.version
            )
        ).first()
        if known is not None and known.weights_sha256 != model.identity.weights_sha256:
            raise ConfigurationError(f"{model.identity} is registered with other weights: raise its version")
        if known is not None and known.active:
            continue
        _activate(session, model, is_known=known is not None, now=now)
        event = AuditEvent(
            action=Action.MODEL_REGISTERED,
            actor=actor,
            subject=str(model.identity),
            detail={"weights_sha256": model.identity.weights_sha256},
        )
        audit_trail.record(session, [event], at=now)
    _retire_others(session, {model.identity.name for model in offered}, actor=actor, now=now)


def active_models(session: Session) -> list[RegisteredModel]:
    """Return the active version of every model, by name."""
    rows = session.execute(sa.select(models).where(models.c.active).order_by(models.c.name))
    return [
        RegisteredModel(
            identity=ModelIdentity(name=row.name, version=row.version, weights_sha256=row.weights_sha256),
            modalities=frozenset(row.modalities.split(",")),
        )
        for row in rows
    ]


def _activate(session: Session, model: RegisteredModel, *, is_known: bool, now: datetime) -> None:
    session.execute(sa.update(models).where(models.c.name == model.identity.name).values(active=False))
    key = {"name": model.identity.name, "version": model.identity.version}
    if is_known:
        session.execute(
            sa.update(models).where(*(models.c[k] == v for k, v in key.items())).values(active=True)
        )
        return
    session.execute(
        sa.insert(models).values(
            **key,
            weights_sha256=model.identity.weights_sha256,
            modalities=",".join(sorted(model.modalities)),
            active=True,
            registered_at=now,
        )
    )


def _retire_others(session: Session, offered: set[str], *, actor: str, now: datetime) -> None:
    others = [model.identity for model in active_models(session) if model.identity.name not in offered]
    for identity in others:
        session.execute(sa.update(models).where(models.c.name == identity.name).values(active=False))
        event = AuditEvent(
            action=Action.MODEL_RETIRED,
            actor=actor,
            subject=str(identity),
            detail={"weights_sha256": identity.weights_sha256},
        )
        audit_trail.record(session, [event], at=now)
