"""DCMTK's programs as peers. TCP_NODELAY=1 is their own switch; without it they wait 40 ms a message."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from tests.peers.programs import require

ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


class StoreScp:
    """``storescp`` keeping what it gets in a folder, bit by bit; a context manager.

    It would listen on every interface, so we listen on loopback, or on a private link, and hand each
    connection over as inetd does: a process an association.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "STORESCP",
        options: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self._arguments = [
            str(require("storescp")),
            *("--inetd", "--aetitle", ae_title, "--output-directory", str(folder)),
            *("--accept-all", "--bit-preserving", "--max-pdu", "131072", *options),
        ]
        self._listener = socket.create_server((host, 0))
        self.destination = Destination(
            ae_title=AETitle(ae_title), host=host, port=self._listener.getsockname()[1]
        )
        self._served: list[subprocess.Popen[bytes]] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_down()

    def go_down(self) -> None:
        """End every ``storescp`` where it is, and refuse connections from now on."""
        if self._thread is None:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._thread = None
        self._listener.close()
        for process in self._served:
            process.kill()
            process.wait()
        self._served.clear()

    def come_up(self) -> None:
        """Take connections again, on the port that it had."""
        self._listener = socket.create_server((self.destination.host, self.destination.port))
        self.__enter__()

    @property
    def files(self) -> list[Path]:
        """The files that are complete, by name."""
        return sorted(self.folder.iterdir())

    def freeze_when_receiving(self, within_s: float) -> None:
        """Stop the peer in the middle of an instance: the connection stays open, nobody reads it."""
        self._signal_when_receiving(signal.SIGSTOP, within_s)

    def kill_when_receiving(self, within_s: float) -> None:
        """End the peer in the middle of an instance."""
        self._signal_when_receiving(signal.SIGKILL, within_s)

    def _signal_when_receiving(self, number: signal.Signals, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not any(self.folder.iterdir()):
            assert time.monotonic() < deadline, "nothing arrives"
        for process in self._served:
            process.send_signal(number)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # shut down
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._served.append(
                    subprocess.Popen(
                        self._arguments,
                        stdin=connection,
                        stdout=connection,
                        stderr=subprocess.DEVNULL,
                        env=ENVIRONMENT,
                    )
                )


def dcmsend(
    paths: Sequence[Path], destination: Destination, *, calling_ae_title: str = "DCMSEND"
) -> subprocess.CompletedProcess[str]:
    """Send files, each with the Transfer Syntax that it has; folders are searched.

    The return code does not tell whether the peer refused them; the report in ``stdout`` does.
    """
    options = ["--decompress-never", "--no-uid-checks", "--scan-directories", "--recurse"]
    return _run("dcmsend", destination, calling_ae_title, [*options, "--max-pdu", "131072"], paths)


def storescu(
    paths: Sequence[Path],
    destination: Destination,
    *,
    calling_ae_title: str = "STORESCU",
    options: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Send uncompressed files, or compressed ones with the option that proposes their syntax, as ``-xs``."""
    return _run("storescu", destination, calling_ae_title, ["--max-pdu", "131072", *options], paths)


def echoscu(
    destination: Destination, *, calling_ae_title: str = "ECHOSCU"
) -> subprocess.CompletedProcess[str]:
    """Verify; the return code is 0 when the peer answered Success."""
    return _run("echoscu", destination, calling_ae_title, [], [])


def _run(
    program: str,
    destination: Destination,
    calling_ae_title: str,
    options: Sequence[str],
    paths: Sequence[Path],
) -> subprocess.CompletedProcess[str]:
    called = [
        *("--verbose", "--aetitle", calling_ae_title, "--call", destination.ae_title),
        *(*options, destination.host, str(destination.port), *map(str, paths)),
    ]
    return subprocess.run(
        [str(require(program)), *called],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
    )
