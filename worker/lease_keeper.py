"""A sign of life while a job is being done, and an end to a process that lost its way."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from dicom_node.database import destination_health, jobs
from dicom_node.domain.job import Lease
from dicom_node.errors import LeaseLost, OutOfResources, Temporary
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

HARD_LIMIT = timedelta(minutes=15)
"""Nothing that a worker does takes so long: the process is stuck in native code and must be replaced."""
STUCK_EXIT_CODE = 86
FIRST_PAUSE = timedelta(seconds=0.5)
"""Of a job that was given back because of the database; doubles with each attempt."""
_ASK_AGAIN_S = 0.5


@contextmanager
def kept_alive(resources: Resources, held: Lease) -> Iterator[None]:
    """Renew the lease in a thread until the block ends.

    A thread cannot be ended from outside, so a job beyond :data:`HARD_LIMIT` ends the whole process; the
    supervisor starts another and the lease goes back. A job that could not be settled because the database
    was away is given back as soon as it is there again, instead of waiting for the end of its lease.
    """
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(resources, held, done), name="lease-keeper", daemon=True)
    keeper.start()
    try:
        yield
    except OutOfResources:
        _give_back_when_possible(resources, held)
        raise
    finally:
        done.set()
        keeper.join()


def _give_back_when_possible(resources: Resources, held: Lease) -> None:
    """Try until it worked, another worker has the job, or the lease is over for the reaper to see."""
    gives_up_at = time.monotonic() + resources.settings.lease.total_seconds()
    pause = threading.Event()
    while time.monotonic() < gives_up_at:
        pause.wait(_ASK_AGAIN_S)
        try:
            with resources.database.begin() as session:
                now = resources.database.now(session)
                jobs.give_back(
                    session,
                    held,
                    not_before=now + FIRST_PAUSE * 2 ** min(held.attempt - 1, 6),
                    error="the database was away",
                    now=now,
                )
                if held.lane:
                    destination_health.return_probe(session, held.lane)
        except LeaseLost:
            return
        except Temporary:
            continue
        resources.dispatcher_bell.ring()
        return


def _keep(resources: Resources, held: Lease, done: threading.Event) -> None:
    lease = resources.settings.lease
    waited, is_held = timedelta(), True
    while not done.wait((lease / 3).total_seconds()):
        waited += lease / 3
        if waited > HARD_LIMIT:
            logger.critical("job is stuck, ending the process", extra={"job": str(held.job_id)})
            os._exit(STUCK_EXIT_CODE)
        if not is_held:
            continue  # nothing to renew, but a process that is stuck must still be ended
        try:
            with resources.database.begin() as session:
                is_held = jobs.renew(session, held, lease=lease, now=resources.database.now(session))
            if not is_held:
                logger.warning("lease lost", extra={"job": str(held.job_id)})
        except Temporary:
            logger.warning("lease could not be renewed, trying again", extra={"job": str(held.job_id)})
