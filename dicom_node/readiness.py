"""How a process of the node says that it is ready, and on which port: a small file in the run-time folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a process that is ready has said."""

    process: str
    pid: int
    port: int | None


def announce(run_home: Path, process: str, *, port: int | None = None) -> None:
    """Say that this process is ready; replaces what its predecessor said."""
    text = json.dumps({"process": process, "pid": os.getpid(), "port": port})
    part = run_home / f"{process}.ready.{os.getpid()}.part"
    part.write_text(text)
    part.replace(run_home / f"{process}.ready.json")


def withdraw(run_home: Path, process: str) -> None:
    """Take back what was said, before the process is started anew."""
    (run_home / f"{process}.ready.json").unlink(missing_ok=True)


def read(run_home: Path, process: str) -> Ready | None:
    """Return what the process said; None while it said nothing or is not alive."""
    path = run_home / f"{process}.ready.json"
    try:
        said = json.loads(path.read_text())
        os.kill(said["pid"], 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Ready(process=said["process"], pid=said["pid"], port=said["port"])
