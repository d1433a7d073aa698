"""The register of models: what the workers of this installation can run, version beside version."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import lock_table
from dicom_node.database.tables import models, worker_models
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.routing import InstalledModel
from dicom_node.errors import ConfigurationError

FORGOTTEN_AFTER = timedelta(minutes=15)
"""A worker that gave no sign of life for so long offers nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A model that workers of this installation can run."""

    identity: ModelIdentity
    modalities: frozenset[str]
    """Modalities of the studies that it reads, e.g. CR and DX."""
    chosen: bool = True
    """Whether it reads studies of its modalities where the routes name no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model that some worker has, or once had."""

    identity: ModelIdentity
    modalities: frozenset[str]
    active: bool
    """Whether its name, without a version, means this one."""
    workers: tuple[str, ...]
    """Those that have it now; none: nothing can be asked of it."""
    registered_at: datetime

    @property
    def installed(self) -> bool:
        """Whether a worker has it."""
        return bool(self.workers)


def register_models(
    session: Session, offered: Iterable[RegisteredModel], *, actor: str, now: datetime
) -> tuple[ModelIdentity, ...]:
    """Enter what a worker (the actor) can run, in place of what it offered before.

    The active version of a name is the newest that some worker has chosen. A name that no worker chooses any
    more is retired: no study goes to it unless the routes name it.

    Returns
    -------
    tuple of ModelIdentity
        Models that were not chosen and are known with other weights: they are left out.

    Raises
    ------
    ConfigurationError
        A chosen version is known with other weights: one version must be one set of weights, for ever.
    """
    worker = actor[:64]
    lock_table(session, models)  # workers start together
    session.execute(
        sa.delete(worker_models).where(
            sa.or_(worker_models.c.worker == worker, worker_models.c.seen_at < now - FORGOTTEN_AFTER)
        )
    )
    left_out = []
    for model in offered:
        model_id = _entered(session, model, actor=worker, now=now)
        if model_id is None:
            left_out.append(model.identity)
            continue
        row = {"worker": worker, "model_id": model_id, "chosen": model.chosen, "seen_at": now}
        session.execute(sa.insert(worker_models).values(row))
    _choose_active(session, actor=worker, now=now)
    return tuple(left_out)


def keep_registered(session: Session, actor: str, *, now: datetime) -> bool:
    """Enter a sign of life of a worker; False when it was forgotten and must register again."""
    kept = session.execute(
        sa.update(worker_models)
        .where(worker_models.c.worker == actor[:64])
        .values(seen_at=now)
        .returning(worker_models.c.model_id)
    ).all()
    return bool(kept)


def active_models(session: Session) -> list[RegisteredModel]:
    """Return the active version of every model, by name: those that read where the routes name none."""
    return [
        RegisteredModel(identity=model.identity, modalities=model.modalities)
        for model in registered_models(session)
        if model.active
    ]


def registered_models(session: Session) -> list[KnownModel]:
    """Return every version of every model that was ever registered, by name and version."""
    workers: dict[int, list[str]] = {}
    for row in session.execute(sa.select(worker_models).order_by(worker_models.c.worker)):
        workers.setdefault(row.model_id, []).append(row.worker)
    found = [
        KnownModel(
            identity=ModelIdentity(name=row.name, version=row.version, weights_sha256=row.weights_sha256),
            modalities=frozenset(row.modalities.split(",")),
            active=row.active,
            workers=tuple(workers.get(row.id, ())),
            registered_at=row.registered_at,
        )
        for row in session.execute(sa.select(models))
    ]
    return sorted(found, key=lambda model: (model.identity.name, _order(model.identity.version)))


def installed_models(session: Session) -> tuple[InstalledModel, ...]:
    """Return what routing may ask: every version that some worker has."""
    return tuple(
        InstalledModel(model=one.identity, modalities=one.modalities, active=one.active)
        for one in registered_models(session)
        if one.installed
    )


def is_installed(session: Session, identity: ModelIdentity) -> bool:
    """Tell whether some worker has exactly these weights."""
    return any(one.installed for one in registered_models(session) if one.identity == identity)


def _entered(session: Session, model: RegisteredModel, *, actor: str, now: datetime) -> int | None:
    identity = model.identity
    known = session.execute(
        sa.select(models).where(models.c.name == identity.name, models.c.version == identity.version)
    ).first()
    if known is not None and known.weights_sha256 == identity.weights_sha256:
        return int(known.id)
    if known is not None:
        if model.chosen:
            raise ConfigurationError(f"{identity} is registered with other weights: raise its version")
        return None
    model_id = session.execute(
        sa.insert(models)
        .values(
            name=identity.name,
            version=identity.version,
            weights_sha256=identity.weights_sha256,
            modalities=",".join(sorted(model.modalities)),
            active=False,
            registered_at=now,
        )
        .returning(models.c.id)
    ).scalar_one()
    _audit(session, Action.MODEL_REGISTERED, identity, actor, now)
    return int(model_id)


def _choose_active(session: Session, *, actor: str, now: datetime) -> None:
    """Set the active version of every name by what the workers have chosen; audit what changes."""
    chosen = set(session.execute(sa.select(worker_models.c.model_id).where(worker_models.c.chosen)).scalars())
    rows = session.execute(sa.select(models)).all()
    newest: dict[str, tuple[int, ...]] = {}
    for row in rows:
        if row.id in chosen:
            newest[row.name] = max(newest.get(row.name, ()), _order(row.version))
    for row in rows:
        active = row.id in chosen and _order(row.version) == newest[row.name]
        if active == row.active:
            continue
        session.execute(sa.update(models).where(models.c.id == row.id).values(active=active))
        identity = ModelIdentity(name=row.name, version=row.version, weights_sha256=row.weights_sha256)
        action = Action.MODEL_ACTIVATED if active else Action.MODEL_RETIRED
        _audit(session, action, identity, actor, now)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _audit(session: Session, action: Action, identity: ModelIdentity, actor: str, now: datetime) -> None:
    event = AuditEvent(
        action=action,
        actor=actor,
        subject=str(identity),
        detail={"weights_sha256": identity.weights_sha256},
    )
    audit_trail.record(session, [event], at=now)
