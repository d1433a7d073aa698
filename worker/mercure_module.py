"""`dicom-node mercure-module IN OUT`: the node's models as a processing module of the router mercure.

mercure's contract: IN has the DICOM files, named ``[series UID]#[instance UID].dcm``, and ``task.json`` with
``process.settings``; what the module writes to OUT is sent on, and ``result.json`` is kept with the task. An
exit code other than 0 moves the task to mercure's error folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dicom_node.errors import ConfigurationError

app = typer.Typer(add_completion=False)
NOTHING_TO_READ = 1
WRONG_TASK = 2


@app.command()
def mercure_module(
    incoming: Annotated[
        Path,
        typer.Argument(
            envvar="MERCURE_IN_DIR", exists=True, file_okay=False, help="Images and task.json, from mercure."
        ),
    ],
    outgoing: Annotated[
        Path, typer.Argument(envvar="MERCURE_OUT_DIR", file_okay=False, help="Where mercure finds results.")
    ],
) -> None:
    """Read the study of a mercure task: report, heat map and result.json into OUT.

    0: read, or not analysed and result.json says why. 1: no DICOM file, or one that cannot be read.
    2: wrong settings in task.json.
    """
    from dicom_node.cli.commands import settings_of
    from dicom_node.errors import UnreadablePixels
    from worker.stand_alone import reader, studies_of

    settings = settings_of("mercure-module")
    try:
        if names := _models_wanted(incoming):
            settings = settings.model_copy(update={"models": names})
        studies = studies_of(sorted(incoming.rglob("*.dcm")))
        if not studies:
            typer.echo(f"no DICOM file in {incoming}", err=True)
            raise typer.Exit(NOTHING_TO_READ)
        with reader(settings) as open_reader:
            readings = [one for instances in studies.values() for one in open_reader.read(instances)]
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(WRONG_TASK) from None
    except UnreadablePixels as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(NOTHING_TO_READ) from None
    _write(outgoing, list(studies), readings)


def _models_wanted(incoming: Path) -> tuple[str, ...]:
    """Return ``models`` of the task's settings; empty when nothing is said.

    Raises
    ------
    ConfigurationError
        ``task.json`` is no JSON, or ``models`` is no list of names.
    """
    path = incoming / "task.json"
    if not path.is_file():
        return ()
    try:
        process = json.loads(path.read_text())["process"]
    except KeyError:
        return ()
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"task.json cannot be read: {error}") from error
    steps = process if isinstance(process, list) else [process]
    settings = [step.get("settings") for step in steps if isinstance(step, dict)]
    named = [one["models"] for one in settings if isinstance(one, dict) and "models" in one]
    wanted: object = named[0] if named else []
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise ConfigurationError("task.json: process.settings.models must be a list of model names")
    return tuple(wanted)


def _write(outgoing: Path, studies: Sequence[str], readings: Sequence[Any]) -> None:
    """Write the instances under mercure's names, and last the result."""
    outgoing.mkdir(parents=True, exist_ok=True)
    for reading in readings:
        for series, instance, content in reading.outputs:
            (outgoing / f"{series}#{instance}.dcm").write_bytes(content)
    (outgoing / "result.json").write_text(json.dumps(result_of(studies, readings), indent=2) + "\n")


def result_of(studies: Sequence[str], readings: Sequence[Any]) -> dict[str, Any]:
    """Return what mercure keeps of the task; a notification is requested when something was found."""
    from dicom_node.domain.finding import impression_of

    said = []
    for reading in readings:
        impression = impression_of(reading.findings)
        said.append(
            reading.reason or (impression.condition.title if impression else "nothing above its threshold")
        )
    unread = [] if readings else ["not analysed: no model of this node reads such images"]
    return {
        "research_use": "Research use, unverified: not for diagnosis.",
        "studies": list(studies),
        "analyses": [_told(reading) for reading in readings],
        "__mercure_notification": {
            "text": "; ".join([*said, *unread]),
            "requested": any(impression_of(reading.findings) for reading in readings),
        },
    }


def _told(reading: Any) -> dict[str, Any]:
    return {
        "study_instance_uid": reading.study_instance_uid,
        "model": str(reading.model),
        "weights_sha256": reading.model.weights_sha256,
        "state": reading.state.value,
        "reason": reading.reason,
        "priority": reading.priority,
        "findings": [
            {
                "condition": finding.condition.value,
                "title": finding.condition.title,
                "probability": finding.probability,
                "operating_point": finding.operating_point,
                "presence": finding.presence.value,
            }
            for finding in reading.findings
        ],
        "outputs": [instance for _, instance, _ in reading.outputs],
    }
