"""A modality that keeps a ledger: what was acknowledged is written and synced, the rest is sent again."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.force.studies import SentStudy
from dicom_node import scu
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused, DestinationUnreachable

_AGAIN_AFTER_S = 0.5
CALLING = AETitle("MODALITY")


class Ledger:
    """The SOP Instance UIDs that the receiver answered with Success, one a line; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def enter(self, sop_instance_uids: list[str]) -> None:
        with self._lock:
            self._file.writelines(f"{uid}\n" for uid in sop_instance_uids)
            self._file.flush()
            os.fsync(self._file.fileno())

    def acknowledged(self) -> list[str]:
        return self.path.read_text().split()


@dataclass(slots=True)
class Sending:
    """Studies on their way to one receiver, by a few threads, an association a study."""

    studies: list[SentStudy]
    receiver: Destination
    ledger: Ledger
    over_s: float
    """The studies are spread evenly over this time."""
    senders: int = 3
    released_at: dict[str, float] = field(default_factory=dict)
    """Study to the monotonic time at which all of it was acknowledged."""
    calls: int = 0
    """C-STOREs that were tried."""
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _next: int = 0
    _began: float = 0.0

    def start(self) -> None:
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._send_all) for _ in range(self.senders)]
        for thread in self._threads:
            thread.start()

    def wait(self, within_s: float) -> bool:
        """Wait until everything is acknowledged; False, and an end to all trying, when the time is over."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.stopping.set()
        for thread in self._threads:
            thread.join()
        return len(self.released_at) == len(self.studies)

    def _send_all(self) -> None:
        while (study := self._take()) is not None:
            waiting = dict(study.paths)
            while waiting and not self.stopping.is_set():
                for uid in self._send(list(waiting.values())):
                    del waiting[uid]
                if waiting:
                    self.stopping.wait(_AGAIN_AFTER_S)
            if not waiting:
                self.released_at[study.study_instance_uid] = time.monotonic()

    def _take(self) -> SentStudy | None:
        with self._lock:
            if self._next >= len(self.studies):
                return None
            number = self._next
            self._next += 1
        due = self._began + self.over_s * number / len(self.studies)
        self.stopping.wait(max(0.0, due - time.monotonic()))
        return None if self.stopping.is_set() else self.studies[number]

    def _send(self, paths: list[Path]) -> list[str]:
        try:
            outcomes = scu.send_instances(paths, self.receiver, calling_ae_title=CALLING)
        except (DestinationUnreachable, DeliveryRefused):
            return []
        acknowledged = [one.sop_instance_uid for one in outcomes if one.accepted]
        if acknowledged:
            self.ledger.enter(acknowledged)
        with self._lock:
            self.calls += len(outcomes)
        return acknowledged
