"""A whole node as `dicom-node up` runs it, whose processes can be killed one by one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis

from dicom_node import readiness
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.messaging.embedded_broker import SOCKET, effective_broker_url
from dicom_node.settings import Settings

ROOT = Path(__file__).parents[2]
_UP_WITHIN_S = 180
_BROKERS = {"valkey-server", "redis-server"}


class Node:
    """`dicom-node up` on free loopback ports; a context manager.

    Parameters
    ----------
    log
        Where its processes log.
    settings
        Fields of :class:`~dicom_node.settings.Settings` as text; the rest has its defaults.
    environment
        More of the environment of its processes.
    """

    def __init__(
        self, home: Path, log: Path, settings: Mapping[str, str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.home, self.log = home, log
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DICOM_NODE_")},
            "DICOM_NODE_DATA_HOME": str(home),
            "DICOM_NODE_SCP_PORT": "0",
            "DICOM_NODE_WEB_PORT": "0",
            **{f"DICOM_NODE_{name.upper()}": text for name, text in settings.items()},
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dicom_node.cli", "up"], env=self._environment, stderr=log, cwd=ROOT
            )
        deadline = time.monotonic() + _UP_WITHIN_S
        while readiness.read(self._run_home, "up") is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SystemExit(f"the node did not come up:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it cleanly; what does not end is killed."""
        if self._process is None:
            return
        processes = self._processes()
        self._process.terminate()
        try:
            self._process.wait(45)
        except subprocess.TimeoutExpired:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
        self._process = None

    @property
    def receiver(self) -> Destination:
        """Its storage SCP."""
        said = readiness.read(self._run_home, "scp")
        assert said is not None
        assert said.port
        return Destination(ae_title=AETitle("DICOM_NODE"), host="127.0.0.1", port=said.port)

    def kill(self, process: str) -> bool:
        """End a process with SIGKILL; False when it is not there just now."""
        pid = self._broker_pid() if process == "broker" else self._pid(process)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def flush_broker(self) -> bool:
        """Have the broker forget all that it holds; False when it is not there just now."""
        settings = Settings(data_home=self.home)
        assert SOCKET in effective_broker_url(settings)
        client = redis.Redis(unix_socket_path=str(settings.socket_path(SOCKET)), socket_timeout=1, retry=None)
        with client:
            try:
                return bool(client.flushall())
            except redis.RedisError:
                return False

    @property
    def _run_home(self) -> Path:
        return self.home / "run"

    def _pid(self, process: str) -> int | None:
        said = readiness.read(self._run_home, process)
        return said.pid if said else None

    def _broker_pid(self) -> int | None:
        return next((one.pid for one in self._processes() if one.name() in _BROKERS), None)

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
