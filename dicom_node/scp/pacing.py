"""Let pynetdicom's threads sleep until there is something to do, where they would look every millisecond.

An association that is open and quiet would cost some 5 % of a core, as two threads look a thousand times a
second; here it costs next to nothing, and a message is taken up the moment it is complete.
"""

import queue
import threading
from typing import Any

from pynetdicom.association import Association

_LONGEST_NAP_S = 0.05
"""How late a time-out or a lost thread is noticed."""


def pace(association: Association) -> None:
    """Make the association's thread wait for messages; call before it starts."""
    gate = _Gate(association)
    gate.set()
    association._reactor_checkpoint = gate  # noqa: SLF001 - no public way to wait for messages
    association.dul.to_user_queue = _AnnouncingQueue(gate)
    association.dimse.msg_queue = _AnnouncingQueue(gate)


class _Gate(threading.Event):
    """The event that the reactor passes on each of its rounds; it opens when there is something to do."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._news = threading.Event()

    def set(self) -> None:
        """Open the gate, also for a thread that waits for news."""
        super().set()
        self.announce()

    def announce(self) -> None:
        """End the wait for news."""
        self._news.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the gate is open and there is something to do, for a short while at most."""
        passed = super().wait(timeout)
        self._news.clear()
        if self._is_idle():
            self._news.wait(_LONGEST_NAP_S)
        return passed

    def _is_idle(self) -> bool:
        association = self._association
        return bool(
            association.dimse.msg_queue.empty()
            and association.dul.to_user_queue.empty()
            and not association._kill  # noqa: SLF001 - what the loop itself looks at
        )


class _AnnouncingQueue(queue.Queue[Any]):
    """A queue whose reader waits at a gate."""

    def __init__(self, gate: _Gate) -> None:
        super().__init__()
        self._gate = gate

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put the item and announce it."""
        super().put(item, block, timeout)
        self._gate.announce()
