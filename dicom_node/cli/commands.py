"""The one command line: run the node, talk to peers, look at studies and at the audit trail."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dicom_node.cli.dead_letters import app as dead_letters_app
from dicom_node.cli.deployments import app as deployments_app
from dicom_node.cli.destinations import app as destinations_app
from dicom_node.cli.routes import app as routes_app

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
OWN_COMMANDS = "dicom_node.commands"


class JoinedCommands(TyperGroup):
    """Our commands and those that other packages bring through the entry-point group."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*super().list_commands(ctx), *sorted(entry_points(group=OWN_COMMANDS).names)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, loading the package that brings it."""
        for entry_point in entry_points(group=OWN_COMMANDS, name=cmd_name):
            command = typer.main.get_command(entry_point.load())
            command.name = cmd_name
            return command
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=JoinedCommands,
    help="A DICOM node that has chest films and chest CT read by models. Research use, unverified.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(deployments_app, name="deployments")
app.add_typer(dead_letters_app, name="dead-letters")
app.add_typer(routes_app, name="routes")
app.add_typer(destinations_app, name="destinations")


@app.command()
def up(json: Json = False) -> None:
    """Run the whole node: broker, dispatcher, workers, status page and storage SCP."""
    from dicom_node.supervisor.node import run_up

    raise typer.Exit(run_up(settings_of("up"), as_json=json))


@app.command()
def serve() -> None:
    """Run the storage SCP."""
    from dicom_node.scp.server import serve as run

    run(settings_of("scp"))


@app.command()
def dispatch() -> None:
    """Run the dispatcher: completes studies, rings workers, reaps lost jobs."""
    from dicom_node.dispatcher import run

    run(settings_of("dispatcher"))


@app.command()
def web() -> None:
    """Run the status page."""
    from dicom_node.web.app import serve_web

    serve_web(settings_of("web"))


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from dicom_node.database.migrate import current_revision, upgrade

    settings = settings_of("migrate")
    settings.data_home.mkdir(parents=True, exist_ok=True)
    upgrade(settings.effective_database_url)
    typer.echo(f"database is at revision {current_revision(settings.effective_database_url)}")


@app.command()
def echo(
    peer: Annotated[str, typer.Argument(help="AE@host:port")],
    calling: Annotated[str, typer.Option("--from", help="Our AE title.")] = "DICOM_NODE",
    json: Json = False,
) -> None:
    """Ask a peer whether it answers (C-ECHO)."""
    from dicom_node.cli.peers import run_echo

    raise typer.Exit(run_echo(peer, calling, as_json=json))


@app.command()
def send(
    paths: Annotated[list[Path], typer.Argument(help="Part 10 files or folders of them.", exists=True)],
    to: Annotated[str, typer.Option("--to", help="AE@host:port")],
    calling: Annotated[str, typer.Option("--from", help="Our AE title.")] = "DICOM_NODE",
    json: Json = False,
) -> None:
    """Send instances to a peer (C-STORE), as they are encoded."""
    from dicom_node.cli.peers import run_send

    raise typer.Exit(run_send(paths, to, calling, as_json=json))


@app.command()
def status(json: Json = False) -> None:
    """Show what runs, what waits, and what was done."""
    from dicom_node.cli.views import show_status

    raise typer.Exit(show_status(settings_of("status"), as_json=json))


@app.command()
def worklist(
    study: Annotated[str, typer.Option(help="Only this Study Instance UID.")] = "",
    patient: Annotated[str, typer.Option(help="Only this Patient ID.")] = "",
    hours: Annotated[
        int, typer.Option(min=0, help="Received within so many hours; 0, or a named study or patient: ever.")
    ] = 24,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    json: Json = False,
) -> None:
    """List studies, most urgent first, with what was said of them and whether it was delivered."""
    from datetime import UTC, timedelta

    from dicom_node.cli.views import show_worklist
    from dicom_node.database.worklist import WorklistQuery

    ever = not hours or study or patient
    query = WorklistQuery(
        study_instance_uid=study,
        patient_id=patient,
        received_since=None if ever else datetime.now(UTC) - timedelta(hours=hours),
        limit=limit,
    )
    show_worklist(settings_of("worklist"), query, as_json=json)


@app.command()
def audit(  # noqa: PLR0913, PLR0917 - one parameter an option
    study: Annotated[str, typer.Option(help="Only this Study Instance UID.")] = "",
    patient: Annotated[str, typer.Option(help="Only this Patient ID.")] = "",
    action: Annotated[list[str] | None, typer.Option(help="Only this action; may be repeated.")] = None,
    actor: Annotated[str, typer.Option(help="Only this actor.")] = "",
    since: Annotated[datetime | None, typer.Option(help="From this time on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time, UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    json: Json = False,
) -> None:
    """Search the audit trail, newest first."""
    from dicom_node.cli.views import AuditFilter, show_audit

    wanted = AuditFilter(
        study=study, patient=patient, actions=tuple(action or ()), actor=actor, since=since, until=until
    )
    raise typer.Exit(show_audit(settings_of("audit"), wanted, limit=limit, as_json=json))


@app.command()
def report(
    path: Annotated[Path, typer.Argument(help="A structured report.", exists=True, dir_okay=False)],
    json: Json = False,
) -> None:
    """Show a structured report as a tree."""
    from dicom_node.cli.views import show_report

    raise typer.Exit(show_report(path, as_json=json))


def settings_of(process: str) -> Any:
    """Read the settings and set up logging; a wrong setting ends the command with one clear line."""
    from pydantic import ValidationError

    from dicom_node.logs import configure_logging
    from dicom_node.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"DICOM_NODE_{name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None
    configure_logging(settings.log_level, settings.log_format, process)
    return settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; our own errors and the system's end it with one line instead of a traceback."""
    from dicom_node.errors import DicomNodeError

    try:
        app(args=arguments)
    except (DicomNodeError, OSError) as error:  # a folder that may not be written, a full disk
        typer.echo(f"dicom-node: {error}", err=True)
        raise SystemExit(1) from None
