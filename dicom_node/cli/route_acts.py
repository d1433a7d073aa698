"""`routes activate` and `routes release`: what people decide about routes, entered with who and when."""

from contextlib import closing
from pathlib import Path

import typer

from dicom_node.cli.person import operating_user
from dicom_node.database import deployments, model_register
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.errors import RoutesRefused
from dicom_node.intake.release import release_study
from dicom_node.resources import open_resources
from dicom_node.routes_in_force import activate
from dicom_node.routing.loading import load_routes
from dicom_node.routing.staging import unserved
from dicom_node.settings import Settings


def activate_file(settings: Settings, file: Path) -> int:
    """Check a file and put it in force; exit code 1, and nothing changes, when it is wrong."""
    try:
        document = load_routes(file.resolve())
    except RoutesRefused as error:
        typer.echo(str(error), err=True)
        return 1
    with closing(open_resources(settings)) as resources:
        with resources.database.begin() as session:
            now = resources.database.now(session)
            is_new = activate(session, document, actor=operating_user(), now=now)
        with resources.database.read() as session:
            installed = model_register.installed_models(session)
            stages = deployments.stages_in_force(session)
    for warning in unserved(document.routes, installed, stages):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{'activated' if is_new else 'already in force'}: {document.sha256} {document.source}")
    if settings.routes is not None and settings.routes.resolve() != file.resolve():
        typer.echo(f"warning: a dispatcher that starts activates {settings.routes} again", err=True)
    return 0


def release_held_study(settings: Settings, study: str) -> None:
    """Let a held study go on, as the routes in force now decide."""
    with closing(open_resources(settings)) as resources:
        decision = release_study(resources, StudyInstanceUID(study), actor=operating_user())
    models = ", ".join(f"{one.model} ({one.mode.value})" for one in decision.models) or "no model"
    typer.echo(f"released {study}: {decision.action.value}, {models}")
