"""`deployments`: which model takes part how, champion against challenger, promotion and rollback."""

from enum import Enum
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_REASON = typer.Option(help="Why: it is kept in the audit trail.")
_RULE = typer.Option(help="Only where this rule takes the study; *: every rule, and what no rule takes.")
_MODEL = typer.Argument(help="Name of a model.")
_VERSION = typer.Argument(help="Its version.")
_EITHER = typer.Argument(help="NAME or NAME@VERSION; without a version the active one.")

app = typer.Typer(
    help="How models take part in reading: off, shadow, canary, active. Every change is audited.",
    no_args_is_help=True,
)


class Mode(Enum):
    """What a stage can say."""

    OFF = "off"
    SHADOW = "shadow"
    CANARY = "canary"
    ACTIVE = "active"
    AS_ROUTED = "as-routed"


@app.command("list")
def list_stages(
    log: Annotated[bool, typer.Option("--log", help="Every entry ever made, oldest first.")] = False,
    json: Json = False,
) -> None:
    """Show the models that workers have, and the stages that stand above the routes."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.deployment_views import show_deployments, show_log

    show = show_log if log else show_deployments
    show(settings_of("deployments"), as_json=json)


@app.command("set")
def set_mode(
    model: Annotated[str, _MODEL],
    version: Annotated[str, _VERSION],
    mode: Annotated[Mode, typer.Option(help="How it takes part; as-routed lifts the stage.")],
    reason: Annotated[str, _REASON],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the studies, for a canary.")] = 1.0,
    rule: Annotated[str, _RULE] = "*",
) -> None:
    """Say how a model takes part, whatever the routes say, until somebody says otherwise."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.deployment_acts import set_stage
    from dicom_node.database.deployments import NewStage
    from dicom_node.domain.deployment import ModelMode

    stage = NewStage(
        rule=rule,
        model_name=model,
        model_version=version,
        mode=None if mode is Mode.AS_ROUTED else ModelMode(mode.value),
        share=share if mode is Mode.CANARY else 1.0,
    )
    set_stage(settings_of("deployments"), stage, reason)


@app.command()
def promote(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Annotated[str, _MODEL],
    version: Annotated[str, _VERSION],
    reason: Annotated[str, _REASON],
    rule: Annotated[str, _RULE] = "*",
    instead_of: Annotated[
        list[str] | None, typer.Option(help="Name of a model that it replaces; may be repeated.")
    ] = None,
    weights_sha256: Annotated[
        str, typer.Option(help="Refuse unless these are its weights; `compare` prints them.")
    ] = "",
    least_read: Annotated[
        int, typer.Option(min=0, help="Refuse if it has read fewer studies here, in shadow or otherwise.")
    ] = 20,
) -> None:
    """Make a model active, and end the other versions of its name and what it replaces, in one act."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.deployment_acts import Promotion, promote_model

    wanted = Promotion(
        model=model,
        version=version,
        rule=rule,
        instead_of=tuple(instead_of or ()),
        weights_sha256=weights_sha256,
        least_read=least_read,
    )
    promote_model(settings_of("deployments"), wanted, reason)


@app.command()
def rollback(
    model: Annotated[str, _MODEL],
    reason: Annotated[str, _REASON],
    rule: Annotated[str, _RULE] = "*",
) -> None:
    """Take back the last act about a model: everything that it changed is as before."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.deployment_acts import roll_back_model

    roll_back_model(settings_of("deployments"), model, rule, reason)


@app.command()
def compare(
    champion: Annotated[str, _EITHER],
    challenger: Annotated[str, _EITHER],
    rule: Annotated[str, typer.Option(help="Only studies that this rule took.")] = "",
    days: Annotated[int, typer.Option(min=0, help="Received within so many days; 0: ever.")] = 30,
    json: Json = False,
) -> None:
    """Compare what two models said of the same studies; without a truth, so neither is called right."""
    from dicom_node.cli.commands import settings_of
    from dicom_node.cli.deployment_views import show_comparison

    show_comparison(settings_of("deployments"), (champion, challenger), rule=rule, days=days, as_json=json)
