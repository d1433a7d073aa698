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
    pid = os.getpid()
    text = json.dumps({"process": process, "pid": pid, "port": port, "started": _started(pid)})
    part = run_home / f"{process}.ready.{pid}.part"
    part.write_text(text)
    part.replace(run_home / f"{process}.ready.json")


def withdraw(run_home: Path, process: str) -> None:
    """Take back what was said, before the process is started anew."""
    (run_home / f"{process}.ready.json").unlink(missing_ok=True)


def read(run_home: Path, process: str) -> Ready | None:
    """Return what the process said; None while it said nothing or is not alive."""
    try:
        said = json.loads((run_home / f"{process}.ready.json").read_text())
        ready = Ready(process=said["process"], pid=said["pid"], port=said["port"])
        is_alive = _started(ready.pid) == said["started"]
    except (FileNotFoundError, ProcessLookupError, ValueError, KeyError, TypeError):
        # Nothing was said, the process is gone, or a power cut ate the file.
        return None
    return ready if is_alive else None


def _started(pid: int) -> int:
    """Return when the process was started, in ticks since the machine was: a pid may be given away again.

    Raises
    ------
    FileNotFoundError
        There is no such process.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return -1 if fields[0] == "Z" else int(fields[19])
