"""Run a tree of stand-ins: drive.py FOLDER STAGE..., where a stage is NAME:WAY,NAME:WAY."""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from dicom_node import readiness
from dicom_node.errors import StartFailed
from dicom_node.readiness import Ready
from dicom_node.supervisor.tree import Pace, ProcessSpec, ProcessTree

STAND_IN = Path(__file__).with_name("stand_in.py")


def spec(folder: Path, written: str) -> ProcessSpec:
    name, way = written.split(":")
    interpreter = str(folder / "python") if way == "linked" else sys.executable
    return ProcessSpec(
        name=name,
        command=(interpreter, "-S", str(STAND_IN), str(folder), name, way),
        said=partial(readiness.read, folder, name),
        forget=partial(readiness.withdraw, folder, name),
        drain=timedelta(seconds=0.5),
        port_variable="PORT" if name == "scp" else "",
    )


def on_up(said: Mapping[str, Ready]) -> None:
    sys.stdout.write(f"up {' '.join(said)}\n")
    sys.stdout.flush()


def main() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s %(child)s")
    folder = Path(sys.argv[1])
    stages = [[spec(folder, written) for written in stage.split(",")] for stage in sys.argv[2:]]
    pace = Pace(
        first_backoff=timedelta(seconds=0.1),
        longest_backoff=timedelta(seconds=0.4),
        starts_before_giving_up=3,
        start_timeout=timedelta(seconds=1.5),
    )
    try:
        ProcessTree(stages, dict(os.environ), pace).run(on_up)
    except StartFailed as error:
        sys.stdout.write(f"failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
