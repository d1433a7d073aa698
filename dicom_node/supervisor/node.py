"""The processes of the node, in the order in which they start."""

import fcntl
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from dicom_node import readiness
from dicom_node.database import audit_trail, migrate
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.errors import ConfigurationError, OutOfResources
from dicom_node.messaging.embedded_broker import SOCKET, broker_command, effective_broker_url
from dicom_node.readiness import Ready
from dicom_node.routes_in_force import activate_configured
from dicom_node.settings import Settings
from dicom_node.supervisor.tree import ProcessSpec, ProcessTree

logger = logging.getLogger(__name__)

_DRAIN_SCP = timedelta(seconds=10)
_DRAIN_WORKER = timedelta(seconds=30)
_DRAIN_OTHER = timedelta(seconds=5)


def run_up(settings: Settings, *, as_json: bool) -> int:
    """Run the whole node until SIGTERM or SIGINT; return the exit code.

    Says on standard error, or as one line of JSON on standard output, where the node listens, once it does.

    Raises
    ------
    ConfigurationError
        Another node runs on the same data folder, or the configured routes are wrong and none are in force.
    StartFailed
        A process kept ending while the node was starting.
    """
    settings.run_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_one(settings.run_home):
        for said in settings.run_home.glob("*.ready.json"):
            said.unlink()
        migrate.upgrade(settings.effective_database_url)
        with closing(Database(settings.effective_database_url)) as database:
            activate_configured(database, settings)  # a wrong file is told before anything starts
        tree = ProcessTree(node_stages(settings), environment_of(settings))
        with _audited(settings):
            tree.run(partial(announce, settings, as_json=as_json))
        readiness.withdraw(settings.run_home, "up")
    return 0


def node_stages(settings: Settings) -> list[list[ProcessSpec]]:
    """Return the processes of the node: broker, then all that work, then the SCP that takes studies."""
    workers = [
        *(("analysis", f"analysis-{number}") for number in range(settings.analysis_workers)),
        ("delivery", "delivery-0"),
    ]
    stages = [
        [
            _own(settings, "dispatcher", "dispatch", drain=_DRAIN_OTHER),
            *(
                _own(settings, slot, "worker", "run", "--queue", queue, "--slot", slot, drain=_DRAIN_WORKER)
                for queue, slot in workers
            ),
            _own(settings, "web", "web", drain=_DRAIN_OTHER, port_variable="DICOM_NODE_WEB_PORT"),
        ],
        [_own(settings, "scp", "serve", drain=_DRAIN_SCP, port_variable="DICOM_NODE_SCP_PORT")],
    ]
    return stages if settings.broker_url else [[_broker(settings)], *stages]


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment in which :class:`Settings` reads the same settings, and the broker in force."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("DICOM_NODE_")}
    for name in type(settings).model_fields:
        text = _as_text(getattr(settings, name))
        if text:
            environment[f"DICOM_NODE_{name.upper()}"] = text
    environment["DICOM_NODE_DATA_HOME"] = str(settings.data_home.resolve())
    environment["DICOM_NODE_BROKER_URL"] = effective_broker_url(settings)
    return environment


def _as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case timedelta():
            return f"{value.total_seconds():f}"
        case tuple():
            return ",".join(str(part) for part in value)
        case _:
            return str(value)


def _own(
    settings: Settings, name: str, *arguments: str, drain: timedelta, port_variable: str = ""
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=(sys.executable, "-m", "dicom_node.cli", *arguments),
        said=partial(readiness.read, settings.run_home, name),
        forget=partial(readiness.withdraw, settings.run_home, name),
        drain=drain,
        port_variable=port_variable,
    )


def _broker(settings: Settings) -> ProcessSpec:
    path = settings.socket_path(SOCKET)
    return ProcessSpec(
        name="broker",
        command=tuple(broker_command(settings)),
        said=partial(_broker_said, path),
        forget=partial(path.unlink, missing_ok=True),
        drain=_DRAIN_OTHER,
    )


def _broker_said(path: Path) -> Ready | None:
    """Ask the broker itself: it is a foreign program and announces nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            if connection.recv(16).startswith(b"+PONG"):
                return Ready(process="broker", pid=0, port=None)
        except OSError:
            return None
    return None


@contextmanager
def _only_one(run_home: Path) -> Iterator[None]:
    """Hold the lock of the data folder; the system lets go of it when this process dies, however it dies."""
    with (run_home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigurationError(
                f"another node (process {lock.read().strip()}) runs on {run_home.parent}"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _audited(settings: Settings) -> Iterator[None]:
    """Enter in the audit trail that the node started and stopped (PS3.15 A.5.3.1, Application Activity)."""
    _record(settings, Action.NODE_STARTED)
    try:
        yield
    finally:
        try:
            _record(settings, Action.NODE_STOPPED)
        except OutOfResources:
            logger.error("the stop of the node could not be entered in the audit trail")


def _record(settings: Settings, action: Action) -> None:
    event = AuditEvent(action=action, actor="supervisor", detail={"pid": os.getpid()})
    with closing(Database(settings.effective_database_url)) as database, database.begin() as session:
        audit_trail.record(session, [event], at=datetime.now(UTC))


def announce(settings: Settings, said: Mapping[str, Ready], *, as_json: bool) -> None:
    """Say where the node listens, to people on standard error or as one line of JSON on standard output."""
    scp_port, web_port = said["scp"].port, said["web"].port
    if as_json:
        line = {
            "pid": os.getpid(),
            "ae_title": settings.ae_title,
            "scp": {"host": settings.scp_host, "port": scp_port},
            "web": {"host": settings.web_host, "port": web_port},
            "data_home": str(settings.data_home.resolve()),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    else:
        sys.stderr.write(
            f"dicom-node is up: DICOM {settings.ae_title}@{_in_url(settings.scp_host)}:{scp_port},"
            f" status page http://{_in_url(settings.web_host)}:{web_port}/, Ctrl-C stops it\n"
        )
    readiness.announce(settings.run_home, "up")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
