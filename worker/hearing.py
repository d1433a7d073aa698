"""Whether a worker still hears the bell: after a broker's reset some stay connected and consume nothing.

Known of Celery on Redis (celery#10205, #8030, #8091): the only cure that always works is another process.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from dicom_node.database import jobs
from dicom_node.domain.job import Queue
from dicom_node.errors import Temporary
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

DEAF_EXIT_CODE = 87
PATIENCE = timedelta(seconds=15)
"""An idle worker claims a rung job within milliseconds."""
_LOOK_EVERY_S = 3.0


class Hearing:
    """Ends the process when jobs are rung, this worker is idle, and it claims none."""

    def __init__(self, resources: Resources, queue: Queue) -> None:
        self._resources, self._queue = resources, queue
        # A job that is rung again counts from then on: whoever waits longer never finds one that is old.
        self._patience = min(PATIENCE, resources.settings.ring_timeout / 2)
        self._lock = threading.Lock()
        self._busy = 0
        self._heard = time.monotonic()

    def noted(self, do: Callable[[UUID], None]) -> Callable[[UUID], None]:
        """Return the function that does a job and notes that the bell was heard."""

        def hear_and_do(job_id: UUID) -> None:
            self._note(+1)
            try:
                do(job_id)
            finally:
                self._note(-1)

        return hear_and_do

    def is_deaf(self, patience: timedelta | None = None) -> bool:
        """Tell whether a job was rung longer ago than that, while this worker was idle and heard nothing."""
        patience = self._patience if patience is None else patience
        with self._lock:
            idle = self._busy == 0 and time.monotonic() - self._heard > patience.total_seconds()
        if not idle:
            return False
        with self._resources.database.read() as session:
            rung = jobs.oldest_ring(session, self._queue)
            return rung is not None and self._resources.database.now(session) - rung > patience

    def watch(self) -> None:
        """Look every few seconds, in a thread, and end the process when it is deaf."""
        threading.Thread(target=self._watch, name="hearing", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            try:
                if self.is_deaf():
                    logger.critical("rings are not heard, ending the process")
                    os._exit(DEAF_EXIT_CODE)
            except Temporary:
                continue

    def _note(self, change: int) -> None:
        with self._lock:
            self._busy += change
            self._heard = time.monotonic()
