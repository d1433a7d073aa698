"""How other processes wake the dispatcher: an event, so that nobody polls on the way of a study."""

import logging
import select
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg.conninfo import make_conninfo

from dicom_node.settings import Settings

logger = logging.getLogger(__name__)

CHANNEL = "dicom_node"
_RECONNECT_AFTER_S = 1.0
_CLOSE_WITHIN_S = 2.0
# libpq's: seconds to connect, and keep-alives that find out within half a minute that a server is gone.
_PATIENCE = {"connect_timeout": 2, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}


class Ringer(Protocol):
    """The ringing end; it never raises and never holds anybody up."""

    def ring(self) -> None:
        """Wake the dispatcher, if there is one."""
        ...

    def close(self) -> None:
        """Give back what was opened; a ring afterwards wakes nobody."""
        ...


class Listener(Protocol):
    """The dispatcher's end."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep until somebody rings or the time is over; tell which. Rings that piled up count once."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


def ringer(settings: Settings) -> Ringer:
    """Return the ringing end: datagrams beside SQLite, NOTIFY on PostgreSQL."""
    if _is_postgresql(settings):
        return NotifyRinger(settings.effective_database_url)
    return DatagramRinger(settings.socket_path("dispatcher.sock"))


def listener(settings: Settings) -> Listener:
    """Return the dispatcher's end."""
    if _is_postgresql(settings):
        return NotifyListener(settings.effective_database_url)
    return DatagramListener(settings.socket_path("dispatcher.sock"))


class DatagramRinger:
    """Rings by an empty datagram; a full or missing socket means that nobody has to be woken."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ring(self) -> None:
        """Wake the dispatcher, if there is one."""
        with suppress(OSError):
            self._socket.sendto(b"!", self._path)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class DatagramListener:
    """Listens on a unix datagram socket; the newest listener has the path."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self._inode = path.stat().st_ino

    def wait(self, timeout_s: float) -> bool:
        """Sleep until somebody rings or the time is over; tell which."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, timeout_s))
        if not ready:
            return False
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(16)
        return True

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:  # else a newer listener has the path
                self._path.unlink()


class NotifyRinger:
    """Rings by NOTIFY, from a thread of its own, so that a slow database holds nobody up."""

    def __init__(self, url: str) -> None:
        self._connection_string = _libpq(url)
        self._changed = threading.Condition()
        self._rung = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Wake the dispatcher, if there is one."""
        with self._changed:
            self._rung = True
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notify-ringer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread and its connection, after a ring that is on its way if the database is there."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_WITHIN_S)

    def _run(self) -> None:
        while self._wait_for_ring():
            try:
                with psycopg.connect(self._connection_string, autocommit=True) as connection:
                    self._notify_on(connection)
            except psycopg.Error as error:
                logger.warning("dispatcher not rung", extra={"error": type(error).__name__})
                with self._changed:
                    self._rung = True
                    if self._changed.wait_for(lambda: self._closing, _RECONNECT_AFTER_S):
                        return

    def _notify_on(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        while self._wait_for_ring():
            with self._changed:
                self._rung = False  # before NOTIFY: who rings meanwhile is to be heard
            connection.execute(f"NOTIFY {CHANNEL}")

    def _wait_for_ring(self) -> bool:
        """Sleep until somebody rang; False when there is nothing left to ring for."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung or self._closing)
            return self._rung


class NotifyListener:
    """Listens on PostgreSQL's channel and connects again when the server was away."""

    def __init__(self, url: str) -> None:
        self._connection_string = _libpq(url)
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def wait(self, timeout_s: float) -> bool:
        """Sleep until somebody rings or the time is over; tell which. A new connection counts as a ring."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._connection_string, autocommit=True)
                self._connection.execute(f"LISTEN {CHANNEL}")
                return True
            rings = list(self._connection.notifies(timeout=max(0.0, timeout_s), stop_after=1))
            rings += self._connection.notifies(timeout=0)
            return bool(rings)
        except psycopg.Error as error:
            logger.warning("cannot listen for rings", extra={"error": type(error).__name__})
            self.close()
            time.sleep(min(timeout_s, _RECONNECT_AFTER_S))
            return False

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_postgresql(settings: Settings) -> bool:
    return settings.effective_database_url.startswith("postgresql")


def _libpq(url: str) -> str:
    """Return SQLAlchemy's URL as libpq understands it, with time-outs."""
    scheme, rest = url.split("://", 1)
    return make_conninfo(f"{scheme.split('+')[0]}://{rest}", **_PATIENCE)
