"""A real Orthanc as PACS and as sender, in a network namespace of its own: it listens on every interface."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from tests.peers.private_network import PrivateProcess, in_private_network
from tests.peers.programs import require, unavailable

_DICOM_PORT, _HTTP_PORT = 4242, 8042  # its own namespace: always free
_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_CONFIGURATION = {
    "Name": "test peer",
    "DicomAet": "ORTHANC",
    "DicomPort": _DICOM_PORT,
    "DicomCheckCalledAet": True,
    "DicomAlwaysAllowStore": True,
    "DicomAlwaysAllowEcho": True,
    "HttpPort": _HTTP_PORT,
    "RemoteAccessAllowed": True,
    "AuthenticationEnabled": False,
    "OverwriteInstances": False,
    "Plugins": [],
}


def dicomweb_plugin() -> str:
    """Return the path of Orthanc's DICOMweb plugin, Debian's ``orthanc-dicomweb``, for ``Plugins``."""
    if not _DICOMWEB.is_file():
        unavailable(f"{_DICOMWEB.name} is not installed; ./scripts/setup test-peers installs it on Debian")
    return str(_DICOMWEB)


class Orthanc:
    """An empty Orthanc; a context manager. It can be killed and started again with what it had stored.

    Parameters
    ----------
    configuration
        Replaces or adds to what Orthanc is configured with (its own words: ``StableAge``, ``LuaScripts``).
    user, password
        With what its REST API is asked, where the configuration lets only registered users in.
    """

    def __init__(
        self, configuration: Mapping[str, object] | None = None, *, user: str = "", password: str = ""
    ) -> None:
        self._program = require("Orthanc")
        self._headers = _basic(user, password) if user else {}
        self._configuration = {**_CONFIGURATION, **(configuration or {})}
        self._running = ExitStack()
        self._private: PrivateProcess | None = None
        self._folder = Path()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="dn-orthanc-"))
        with ExitStack() as starting:
            starting.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._write_configuration()
            # The namespace outlives Orthanc, so that the one that is started again has the same address.
            self._private = starting.enter_context(
                in_private_network(
                    [require("sleep"), "infinity"], log=self._folder / "network", environment=os.environ
                )
            )
            starting.callback(self.kill)
            self.start()
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def start(self) -> None:
        """Start it in its namespace and return when it answers."""
        inside = (f"--net=/proc/{self._link.process.pid}/ns/net", require("setpriv"), "--pdeathsig", "KILL")
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [require("nsenter"), *inside, self._program, self._folder / "orthanc.json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TCP_NODELAY": "1"},  # DCMTK's, else 40 ms a message
            )
        self._wait_until_it_answers()

    def configure(self, configuration: Mapping[str, object]) -> None:
        """Start it again with more, or other, configuration and with what it had stored."""
        self._configuration |= configuration
        self.kill()
        self._write_configuration()
        self.start()

    def kill(self) -> None:
        """End it as a crash does; the file system keeps what it had stored."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def cut(self) -> None:
        """Pull the network cable: packets are lost in both directions, and nobody is told."""
        self._link.set_link("down")

    def mend(self) -> None:
        """Plug the cable in again."""
        self._link.set_link("up")

    @property
    def destination(self) -> Destination:
        return Destination(ae_title=AETitle("ORTHANC"), host=self._link.its_address, port=_DICOM_PORT)

    @property
    def dicomweb(self) -> str:
        """The base URL of its DICOMweb services, where the plugin is configured."""
        return f"http://{self._link.its_address}:{_HTTP_PORT}/dicom-web"

    @property
    def pid(self) -> int:
        assert self._server is not None, "not started"
        return self._server.pid

    @property
    def our_address(self) -> str:
        """The address on which an SCP of ours must listen so that Orthanc can send to it."""
        return self._link.our_address

    def rest(self, path: str, body: object = None, *, method: str | None = None) -> bytes:
        """Ask its REST API; a body is sent as JSON (POST unless told otherwise), bytes as they are."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{self._link.its_address}:{_HTTP_PORT}{path}",
            data=content,
            method=method,
            headers=self._headers,
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: bytes = response.read()
        return answer

    def instances(self) -> list[str]:
        """Return Orthanc's identifiers of what it holds."""
        found: list[str] = json.loads(self.rest("/instances"))
        return found

    def file(self, identifier: str) -> bytes:
        """Return an instance as the Part 10 file that Orthanc keeps."""
        return self.rest(f"/instances/{identifier}/file")

    def upload(self, path: Path) -> str:
        """Give it an instance over REST; return its identifier."""
        answer: dict[str, Any] = json.loads(self.rest("/instances", path.read_bytes()))
        return str(answer["ID"])

    def send(self, identifiers: list[str], destination: Destination) -> dict[str, Any]:
        """Let it C-STORE instances to an SCP of ours that listens on ``our_address``; return its report."""
        modality = {"AET": destination.ae_title, "Host": destination.host, "Port": destination.port}
        self.rest("/modalities/node", modality, method="PUT")
        answer: dict[str, Any] = json.loads(self.rest("/modalities/node/store", identifiers))
        return answer

    def _write_configuration(self) -> None:
        stored = {name: str(self._folder / "stored") for name in ("StorageDirectory", "IndexDirectory")}
        (self._folder / "orthanc.json").write_text(json.dumps({**self._configuration, **stored}))

    @property
    def _link(self) -> PrivateProcess:
        assert self._private is not None, "not started"
        return self._private

    def _wait_until_it_answers(self) -> None:
        assert self._server is not None
        deadline = time.monotonic() + 60
        while True:
            try:
                self.rest("/system")
                return
            except (urllib.error.URLError, OSError) as error:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text()[-3000:]
                    raise AssertionError(f"Orthanc did not start:\n{said}") from error
            time.sleep(0.02)


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
