"""The broker that comes with the node, started as the node starts it, to be stopped, killed and frozen."""

import signal
import subprocess
import time
from types import TracebackType
from typing import Self

import redis

from dicom_node.messaging.embedded_broker import SOCKET, broker_command, effective_broker_url
from dicom_node.settings import Settings


class Broker:
    """The embedded broker of a data folder; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return effective_broker_url(self._settings)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return when it answers."""
        self._settings.run_home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._process = subprocess.Popen(broker_command(self._settings), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.answers():
            assert self._process.poll() is None, "the broker ended"
            assert time.monotonic() < deadline, "the broker does not answer"
            time.sleep(0.01)

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def client(self) -> redis.Redis:
        """Return a connection that sees what the broker holds."""
        return redis.Redis(
            unix_socket_path=str(self._settings.socket_path(SOCKET)),
            socket_timeout=1,
            retry=None,
            decode_responses=False,
        )

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it as a crash does; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
