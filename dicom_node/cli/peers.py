"""`echo` and `send`: talking to a peer from the command line."""

import json
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from dicom_node import scu
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.settings import parse_destination

_BATCH = 100
_WIDTH_OF_A_PIPE = 200


def run_echo(peer: str, calling: str, *, as_json: bool) -> int:
    """Send a C-ECHO; return the exit code."""
    try:
        result = scu.echo(parse_destination(peer), calling_ae_title=AETitle(calling))
    except (ValueError, DestinationUnreachable, DeliveryRefused) as error:
        _tell({"peer": peer, "answers": False, "reason": str(error)}, f"{peer}: {error}", as_json=as_json)
        return 1
    _tell(
        {"peer": peer, "answers": result.accepted, "round_trip_s": round(result.round_trip_s, 4)},
        f"{peer} answers in {result.round_trip_s * 1000:.1f} ms",
        as_json=as_json,
    )
    return 0 if result.accepted else 1


def run_send(paths: list[Path], to: str, calling: str, *, as_json: bool) -> int:
    """Send files and folders of files; return the exit code, 0 when every instance was accepted.

    What else lies in a folder (a DICOMDIR, a viewer, notes) is left out; a file that was named must be one.
    """
    files = _files(paths)
    if not files:
        _tell({"sent": 0, "reason": "no files"}, "there is nothing to send", as_json=as_json)
        return 1
    batches = [files[first : first + _BATCH] for first in range(0, len(files), _BATCH)]
    outcomes = []
    try:
        destination = parse_destination(to)
        shown = track(batches, description="sending", console=Console(stderr=True), disable=_quiet(as_json))
        for batch in shown:
            outcomes += scu.send_instances(batch, destination, calling_ae_title=AETitle(calling))
    except (ValueError, DestinationUnreachable, DeliveryRefused) as error:
        _tell({"sent": len(outcomes), "reason": str(error)}, f"{to}: {error}", as_json=as_json)
        return 1
    if as_json:
        told = [
            {
                "path": str(outcome.path),
                "sop_instance_uid": outcome.sop_instance_uid,
                "status": None if outcome.status is None else f"0x{outcome.status:04X}",
                "accepted": outcome.accepted,
                "comment": outcome.comment,
            }
            for outcome in outcomes
        ]
        typer.echo(json.dumps(told, indent=2))
    else:
        _show_outcomes(outcomes)
    return 0 if all(outcome.accepted for outcome in outcomes) else 1


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    left_out = 0
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        files = sorted(file for file in path.rglob("*") if file.is_file())
        instances = [file for file in files if _is_instance(file)]
        found += instances
        left_out += len(files) - len(instances)
    if left_out:
        typer.echo(f"left out {left_out} files of folders that are no DICOM instances", err=True)
    return found


def _is_instance(path: Path) -> bool:
    """Tell whether a file of a folder is worth sending; one that cannot be read is, so that it is told."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM" and path.name.upper() != "DICOMDIR"  # PS3.10 7.1, 8.6
    except OSError:
        return True


def _show_outcomes(outcomes: list[scu.InstanceOutcome]) -> None:
    refused = [outcome for outcome in outcomes if not outcome.accepted]
    typer.echo(f"{len(outcomes) - len(refused)} of {len(outcomes)} instances accepted")
    if not refused:
        return
    table = Table("file", "status", "what was said")
    for outcome in refused:
        status = "-" if outcome.status is None else f"0x{outcome.status:04X}"
        table.add_row(str(outcome.path), status, outcome.comment)
    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, markup=False).print(table)


def _tell(facts: dict[str, object], sentence: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(facts) if as_json else sentence)


def _quiet(as_json: bool) -> bool:
    return as_json or not sys.stderr.isatty()
