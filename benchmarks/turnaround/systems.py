"""What is timed: our node, Orthanc with three lines of Lua, and the PyPI package dicom-ai-router."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.force.node import Node
from benchmarks.turnaround.arrival import Arrival, OriginalsSeen, ReportFound
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from tests.peers.orthanc import Orthanc
from tests.peers.pacs import Pacs

_FINDABLE = {"DicomAlwaysAllowFind": True}
AI_ROUTER = "dicom-ai-router==0.3.0"
_STARTED_WITHIN_S = 60
_SCRIPT = """function OnStableStudy(studyId, tags, metadata)
  RestApiPost('/modalities/pacs/store', '{"Resources": ["' .. studyId .. '"], "Synchronous": false}')
end
"""
_SERVE = """
import sys, threading, time
from airouter.config import load_config
from airouter.demo import start_mock_ai
from airouter.router import Router

start_mock_ai(int(sys.argv[2]))
Router(load_config(sys.argv[1])).start()
print("ready", flush=True)
while True:
    time.sleep(3600)
"""


class NotInstallable(Exception):
    """A peer cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Something that takes studies and brings something to a PACS."""

    name: str
    does: str
    receiver: Destination
    arrival: Arrival
    home: Path
    """Where it keeps its data."""


@contextmanager
def our_node(home: Path) -> Iterator[System]:
    """Run the node with its defaults; reports go to an Orthanc, which is asked for them by C-FIND."""
    with ExitStack() as stack:
        orthanc = stack.enter_context(Orthanc(_FINDABLE))
        settings = {"destinations": str(orthanc.destination)}
        home.mkdir(parents=True)
        node = stack.enter_context(Node(home / "data", home / "node.log", settings))
        found = stack.enter_context(ReportFound(orthanc.destination))
        yield System(
            name="dicom-node",
            does="reads, SR and heat map",
            receiver=node.receiver,
            arrival=found,
            home=node.home,
        )


@contextmanager
def lua_router(home: Path, stable_age_s: int) -> Iterator[System]:
    """Run Orthanc with three lines of Lua; it reads nothing, the originals that come out are timed."""
    home.mkdir(parents=True)
    script = home / "router.lua"
    script.write_text(_SCRIPT)
    configuration = {
        "LuaScripts": [str(script)],
        "StableAge": stable_age_s,
        "DicomModalitiesInDatabase": True,
    }
    with Orthanc(configuration) as router, Pacs(host=router.our_address) as pacs:
        to = pacs.destination
        modality = {"AET": to.ae_title, "Host": to.host, "Port": to.port}
        router.rest("/modalities/pacs", modality, method="PUT")
        yield System(
            name=f"Orthanc + Lua, StableAge {stable_age_s}",
            does="reads nothing, passes on",
            receiver=router.destination,
            arrival=OriginalsSeen(pacs),
            home=home,
        )


@contextmanager
def ai_router(home: Path) -> Iterator[System]:
    """Run dicom-ai-router with its own configuration and the stand-in model server that comes with it.

    Raises
    ------
    NotInstallable
        The package cannot be installed into a virtual environment of its own.
    """
    python = _own_environment(home / "venv")
    with Orthanc(_FINDABLE) as orthanc, ExitStack() as stack:
        configuration = home / "router.yaml"
        port, model_port = _free_port(), _free_port()
        configuration.write_text(_ai_router_configuration(home, orthanc.destination, port, model_port))
        process = stack.enter_context(
            subprocess.Popen(
                [python, "-c", _SERVE, configuration, str(model_port)],
                stdout=subprocess.PIPE,
                stderr=(home / "log").open("w"),
                env={**os.environ, "AIROUTER_DEID_SALT": secrets.token_hex(32)},
                text=True,
                cwd=home,
            )
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise NotInstallable(f"{AI_ROUTER} did not start: {(home / 'log').read_text()[-300:]}")
        yield System(
            name=AI_ROUTER.replace("==", " "),
            does="a stand-in model of its own, SR and key image",
            receiver=Destination(ae_title=AETitle("AIROUTER"), host="127.0.0.1", port=port),
            arrival=stack.enter_context(ReportFound(orthanc.destination)),
            home=home,
        )


def _own_environment(folder: Path) -> Path:
    uv = Path(sys.executable).with_name("uv")
    installer = [uv, "pip", "install", "--system-certs", "-q", "--python", folder / "bin" / "python"]
    for command in ([sys.executable, "-m", "venv", "--without-pip", folder], [*installer, AI_ROUTER]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise NotInstallable(f"{AI_ROUTER} cannot be installed: {done.stderr.strip()[-300:]}")
    return folder / "bin" / "python"


def _ai_router_configuration(home: Path, pacs: Destination, port: int, model_port: int) -> str:
    """Return the configuration that the package ships, with addresses of this run; quiet stays at its 3 s."""
    shipped = next((home / "venv" / "lib").glob("python3*/site-packages/airouter/_data/router.yaml"))
    configuration = yaml.safe_load(shipped.read_text())
    configuration["router"] |= {
        "port": port,
        "bind_address": "127.0.0.1",
        "workdir": str(home / "work"),
    }
    configuration["pacs"] |= {"ae_title": str(pacs.ae_title), "host": pacs.host, "port": pacs.port}
    for name, endpoint in configuration["ai_endpoints"].items():
        endpoint["url"] = f"http://127.0.0.1:{model_port}/infer/{name}"
    return str(yaml.safe_dump(configuration))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port
