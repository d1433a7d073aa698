"""The log of stages: what people decided about models under rules; entries are added and never changed."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.model_register import KnownModel, registered_models
from dicom_node.database.statements import lock_table
from dicom_node.database.tables import analyses, deployments, models
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.deployment import ModelMode, Stage, Stages, latest_act, stages_of, standing
from dicom_node.domain.finding import AnalysisState
from dicom_node.errors import DeploymentRefused

_OLDEST_FIRST = sa.select(deployments).order_by(deployments.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStage:
    """How a model is to take part from now on."""

    rule: str
    model_name: str
    model_version: str
    mode: ModelMode | None
    """None: as the routes say."""
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who decides, when, and why."""

    who: str
    reason: str
    at: datetime


def stages_in_force(session: Session) -> Stages:
    """Return what stands above the routes: by rule, model name and version, the mode and a canary's share."""
    return stages_of(standing_stages(session))


def standing_stages(session: Session) -> tuple[Stage, ...]:
    """Return the entries that stand, with who made them and why; oldest first."""
    return standing(stage_log(session))


def stage_log(session: Session) -> tuple[Stage, ...]:
    """Return every entry that was ever made, oldest first."""
    return tuple(_stage_of(row) for row in session.execute(_OLDEST_FIRST))


def set_stages(session: Session, wanted: Sequence[NewStage], act: Act) -> None:
    """Enter one act: the stages stand together and are rolled back together.

    Raises
    ------
    DeploymentRefused
        A model that is to read is on no worker, or its share is not one.
    """
    for stage in wanted:
        _check(session, stage)
    _enter(session, wanted, act, Action.MODEL_STAGED)


def promote(
    session: Session, model: KnownModel, *, rule: str, instead_of: Sequence[str], least_read: int, act: Act
) -> int:
    """Make a model ACTIVE under a rule, end what it replaces, and return how many studies it had read.

    Every other version of its name goes OFF, and every version of the names in ``instead_of``: one act, taken
    back by one rollback. What was read in shadow stays as it was.

    Raises
    ------
    DeploymentRefused
        It is on no worker, or has read fewer studies here than ``least_read``.
    """
    identity = model.identity
    read = studies_read(session, identity.name, identity.version)
    if read < least_read:
        raise DeploymentRefused(
            f"{identity} has read {read} studies here, fewer than {least_read}: let it read in shadow first"
        )
    named = {identity.name, *instead_of}
    others = [
        NewStage(
            rule=rule, model_name=one.identity.name, model_version=one.identity.version, mode=ModelMode.OFF
        )
        for one in registered_models(session)
        if one.identity.name in named and one.identity != identity
    ]
    stage = NewStage(
        rule=rule, model_name=identity.name, model_version=identity.version, mode=ModelMode.ACTIVE
    )
    _check(session, stage)
    detail: dict[str, str | int | float | None] = {
        "studies_read": read,
        "weights_sha256": identity.weights_sha256,
    }
    _enter(session, [stage, *others], act, Action.MODEL_PROMOTED, detail)
    return read


def roll_back(session: Session, model_name: str, *, rule: str, act: Act) -> tuple[Stage, ...]:
    """Take back the newest act about a model under a rule that stands, and return its entries.

    Raises
    ------
    DeploymentRefused
        There is none.
    """
    lock_table(session, deployments)
    undone = latest_act(stage_log(session), rule, model_name)
    if not undone:
        raise DeploymentRefused(f"there is nothing to take back of {model_name} under rule {rule!r}")
    stages = [
        NewStage(rule=one.rule, model_name=one.model_name, model_version=one.model_version, mode=None)
        for one in undone
    ]
    _enter(session, stages, act, Action.MODEL_ROLLED_BACK, undoes=undone[0].act)
    return undone


def studies_read(session: Session, model_name: str, version: str) -> int:
    """Return how many studies the model has read here, in any mode."""
    return int(
        session.execute(
            sa.select(sa.func.count(sa.distinct(analyses.c.study_id)))
            .join(models, models.c.id == analyses.c.model_id)
            .where(
                models.c.name == model_name,
                models.c.version == version,
                analyses.c.state == AnalysisState.COMPLETED.value,
            )
        ).scalar_one()
    )


def _check(session: Session, stage: NewStage) -> None:
    if not 0 <= stage.share <= 1:
        raise DeploymentRefused(f"a share is between 0 and 1, not {stage.share}")
    if stage.mode in {None, ModelMode.OFF}:
        return
    version = (stage.model_name, stage.model_version)
    known = [one for one in registered_models(session) if one.installed]
    if version not in {(one.identity.name, one.identity.version) for one in known}:
        installed = ", ".join(str(one.identity) for one in known) or "none"
        raise DeploymentRefused(
            f"{stage.model_name} {stage.model_version} is on no worker; installed: {installed}"
        )


def _enter(
    session: Session,
    wanted: Iterable[NewStage],
    act: Act,
    action: Action,
    detail: dict[str, str | int | float | None] | None = None,
    *,
    undoes: uuid.UUID | None = None,
) -> None:
    lock_table(session, deployments)  # the order of the numbers is the order of the acts
    number = uuid.uuid4()
    events = []
    for stage in wanted:
        row: dict[str, Any] = {
            "rule": stage.rule,
            "model_name": stage.model_name,
            "model_version": stage.model_version,
            "mode": None if stage.mode is None else stage.mode.value,
            "share": stage.share,
        }
        said = {"act": number, "undoes": undoes, "reason": act.reason}
        session.execute(
            sa.insert(deployments).values(**row, **said, changed_at=act.at, changed_by=act.who[:64])
        )
        facts = {"rule": stage.rule, "mode": row["mode"] or "as routed", "share": stage.share}
        events.append(
            AuditEvent(
                action=action,
                actor=act.who[:64],
                subject=f"{stage.model_name} {stage.model_version}",
                detail={**facts, "reason": act.reason[:500], "act": str(number), **(detail or {})},
            )
        )
    audit_trail.record(session, events, at=act.at)


def _stage_of(row: sa.Row[Any]) -> Stage:
    return Stage(
        number=row.id,
        act=row.act,
        undoes=row.undoes,
        rule=row.rule,
        model_name=row.model_name,
        model_version=row.model_version,
        mode=None if row.mode is None else ModelMode(row.mode),
        share=row.share,
        reason=row.reason,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
