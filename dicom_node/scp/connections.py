"""The account of open connections: who waits, who holds an association, how many there may be."""

import socket
import threading
import uuid
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(eq=False)
class Connection:
    """A TCP connection, and what the node remembers of the association on it."""

    socket: socket.socket
    association_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    has_asked: bool = False
    """Its A-ASSOCIATE-RQ has come."""
    holds_association: bool = False
    studies_seen: set[str] = field(default_factory=set)


class Connections:
    """Counts connections, so that silent ones keep nobody else out.

    Only an association that was asked for counts against the limit of associations. Connections that have not
    asked yet have a limit of their own: above it, the one that has been silent longest gives way.
    """

    def __init__(self, *, maximum_associations: int, most_waiting: int, most: int) -> None:
        self._maximum_associations = maximum_associations
        self._most_waiting = most_waiting
        self._most = most
        self._changed = threading.Condition()
        self._open: dict[Connection, None] = {}

    def enter(self, connection: Connection) -> list[Connection] | None:
        """Count a new connection; return those that have to give way, or None when it must go itself."""
        with self._changed:
            if len(self._open) >= self._most:
                return None
            self._open[connection] = None
            waiting = [one for one in self._open if not one.has_asked]
            return waiting[: max(0, len(waiting) - self._most_waiting)]

    def ask(self, connection: Connection) -> bool:
        """Enter that the A-ASSOCIATE-RQ came; tell whether one more association may be served."""
        with self._changed:
            connection.has_asked = True
            if sum(one.holds_association for one in self._open) >= self._maximum_associations:
                return False
            connection.holds_association = True
            return True

    def end_association(self, connection: Connection) -> None:
        """Enter that the association is over, though the connection may take a while to close."""
        with self._changed:
            connection.holds_association = False
            self._changed.notify_all()

    def leave(self, connection: Connection) -> None:
        """Enter that the connection is closed."""
        with self._changed:
            self._open.pop(connection, None)
            connection.holds_association = False
            self._changed.notify_all()

    def wait_for_associations(self, at_most: timedelta) -> bool:
        """Wait until every association is over; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(one.holds_association for one in self._open), at_most.total_seconds()
            )

    def wait_for_the_last(self, at_most: timedelta) -> bool:
        """Wait until every connection is closed and its thread is done; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, at_most.total_seconds())

    def all(self) -> list[Connection]:
        """Return every open connection, the oldest first."""
        with self._changed:
            return list(self._open)
