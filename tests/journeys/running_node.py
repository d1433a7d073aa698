"""A whole node as a process tree, driven as an operator would: settings, commands, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from dicom_node import readiness
from dicom_node.database import audit_trail
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import Destination

Found = TypeVar("Found")
ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], Found | None], within_s: float, what: str) -> Found:
    """Return what the condition finds; fail with a name when it finds nothing in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.02)


class RunningNode:
    """`dicom-node up` on free loopback ports with a data folder of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.log_path = home / "node.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DICOM_NODE_")},
            "DICOM_NODE_DATA_HOME": str(home / "data"),
            "DICOM_NODE_SCP_PORT": "0",
            "DICOM_NODE_WEB_PORT": "0",
            "DICOM_NODE_SILENCE_PERIOD": "4",
            "DICOM_NODE_DELIVERY_FIRST_BACKOFF": "0.5",
            "OMP_NUM_THREADS": "1",
            **{f"DICOM_NODE_{name.upper()}": value for name, value in settings.items()},
        }
        home.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def run_home(self) -> Path:
        return self.home / "data" / "run"

    @property
    def destination(self) -> Destination:
        said = readiness.read(self.run_home, "scp")
        assert said is not None
        assert said.port
        return Destination(ae_title="DICOM_NODE", host="127.0.0.1", port=said.port)

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dicom_node.cli", "up"], env=self._environment, stderr=log, cwd=ROOT
            )
        wait_until(self._is_up, 180, f"the node to be up, see {self.log_path}")

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def command(self, *words: str) -> Any:
        """Run a reading command and return its JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "dicom_node.cli", *words, "--json"],
            env=self._environment,
            stdout=subprocess.PIPE,
            check=False,
            cwd=ROOT,
        )
        return json.loads(done.stdout)

    def item(self, study_instance_uid: str) -> dict[str, Any] | None:
        """Return the worklist item of a study."""
        found = self.command("worklist", "--study", study_instance_uid)
        return found[0] if found else None

    def wait_for_state(self, study_instance_uid: str, *states: str, within_s: float = 90) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            item = self.item(study_instance_uid)
            return item if item is not None and item["state"] in states else None

        return wait_until(reached, within_s, f"study {study_instance_uid} to be {states}")

    def actions(self, study_instance_uid: str) -> list[str]:
        """Return the actions that the audit trail has of a study, oldest first."""
        events = self.command("audit", "--study", study_instance_uid, "--limit", "1000")
        return [event["action"] for event in reversed(events)]

    def has_happened(self, study_instance_uid: str, action: Action) -> bool:
        """Ask the database itself: a command takes longer to start than some things last."""
        database = Database(f"sqlite:///{self.home / 'data' / 'node.sqlite'}")
        with closing(database), database.read() as session:
            query = AuditQuery(study_instance_uid=study_instance_uid, actions=(action,), limit=1)
            return bool(audit_trail.search(session, query))

    def pid_of(self, process: str) -> int:
        if process == "broker":
            return next((p.pid for p in self.processes() if p.name() == "valkey-server"), 0)
        said = readiness.read(self.run_home, process)
        assert said is not None, f"{process} is not ready"
        return said.pid

    def kill(self, process: str) -> int:
        """End a process of the node with SIGKILL and return the pid that it had."""
        pid = self.pid_of(process)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_replaced(self, process: str, old_pid: int, within_s: float = 60) -> None:
        def is_replaced() -> bool:
            if process == "broker":
                return self.pid_of(process) not in {0, old_pid}
            said = readiness.read(self.run_home, process)
            return said is not None and said.pid != old_pid

        wait_until(is_replaced, within_s, f"{process} to be started again")

    def processes(self) -> list[psutil.Process]:
        """Return every process of the tree."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_path.read_text()[-3000:]
        return readiness.read(self.run_home, "up") is not None


@contextmanager
def running_node(home: Path, **settings: str) -> Iterator[RunningNode]:
    """Run a node for a while, and stop it cleanly."""
    node = RunningNode(home, **settings)
    node.start()
    try:
        yield node
    finally:
        node.stop()
