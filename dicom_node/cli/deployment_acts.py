"""`deployments set`, `promote` and `rollback`: what people decide about models, entered with who and why."""

from contextlib import closing
from dataclasses import dataclass

import typer
from sqlalchemy.orm import Session

from dicom_node.cli.person import operating_user
from dicom_node.database import deployments, model_register
from dicom_node.database.deployments import Act, NewStage
from dicom_node.database.model_register import KnownModel
from dicom_node.domain.deployment import Stage
from dicom_node.errors import DeploymentRefused
from dicom_node.resources import Resources, open_resources
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.staging import pinned_otherwise
from dicom_node.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is to be promoted, where, in whose place, and under which conditions."""

    model: str
    version: str
    rule: str
    instead_of: tuple[str, ...]
    weights_sha256: str
    """Empty: whichever are registered, which never change."""
    least_read: int


def set_stage(settings: Settings, stage: NewStage, reason: str) -> None:
    """Enter one stage."""
    with closing(open_resources(settings)) as resources, resources.database.begin() as session:
        deployments.set_stages(session, [stage], _act(resources, session, reason))
    said = "as the routes say" if stage.mode is None else _mode_of(stage.mode.value, stage.share)
    typer.echo(f"{stage.model_name} {stage.model_version}, {_where(stage.rule)}: {said}")


def promote_model(settings: Settings, wanted: Promotion, reason: str) -> None:
    """Make a model active; a pin that its weights do not have is refused before anything is entered."""
    with closing(open_resources(settings)) as resources, resources.database.begin() as session:
        model = known_model(session, f"{wanted.model}@{wanted.version}")
        if wanted.weights_sha256 not in {"", model.identity.weights_sha256}:
            raise DeploymentRefused(
                f"{model.identity} is registered with the weights {model.identity.weights_sha256},"
                f" not with {wanted.weights_sha256}"
            )
        if rules := pinned_otherwise(active_routes(session)[1], model.identity, wanted.rule):
            raise DeploymentRefused(
                f"{model.identity} has other weights than the routes pin under {', '.join(rules)}"
            )
        read = deployments.promote(
            session,
            model,
            rule=wanted.rule,
            instead_of=wanted.instead_of,
            least_read=wanted.least_read,
            act=_act(resources, session, reason),
        )
    typer.echo(f"{model.identity}, {_where(wanted.rule)}: active; it has read {read} studies here")


def roll_back_model(settings: Settings, model: str, rule: str, reason: str) -> None:
    """Take back the newest act about a model under a rule."""
    with closing(open_resources(settings)) as resources, resources.database.begin() as session:
        undone = deployments.roll_back(session, model, rule=rule, act=_act(resources, session, reason))
    for stage in undone:
        typer.echo(f"taken back: {told(stage)}")


def known_model(session: Session, text: str) -> KnownModel:
    """Return the model that ``NAME`` or ``NAME@VERSION`` means.

    Raises
    ------
    DeploymentRefused
        No worker ever registered it.
    """
    name, _, version = text.partition("@")
    of_name = [one for one in model_register.registered_models(session) if one.identity.name == name]
    if version:
        found = [one for one in of_name if one.identity.version == version]
    else:
        found = [one for one in of_name if one.active] or of_name
    if not found:
        known = ", ".join(str(one.identity) for one in model_register.registered_models(session)) or "none"
        raise DeploymentRefused(f"no worker has registered {text}; known: {known}")
    return found[-1]


def told(stage: Stage) -> str:
    """Return an entry in one line."""
    said = "as the routes say" if stage.mode is None else _mode_of(stage.mode.value, stage.share)
    return f"{stage.model_name} {stage.model_version}, {_where(stage.rule)}: {said}"


def _mode_of(mode: str, share: float) -> str:
    return f"canary for {share:.0%} of the studies" if mode == "canary" else mode


def _where(rule: str) -> str:
    return "every rule" if rule == "*" else f"rule {rule!r}"


def _act(resources: Resources, session: Session, reason: str) -> Act:
    if not reason.strip():
        raise DeploymentRefused("a reason is needed: it is what the next reader of the audit trail has")
    return Act(who=operating_user(), reason=reason.strip(), at=resources.database.now(session))
