"""The clock's door: close studies that are whole, ring for jobs that are ready, reap those that were lost."""

import logging
import signal
import threading
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType
from typing import assert_never

from sqlalchemy.orm import Session

from dicom_node import readiness
from dicom_node.database import analyses, completion, delivery_steps, jobs, waiting_jobs
from dicom_node.database.jobs import ReapedJob
from dicom_node.database.waiting_jobs import take_back_rings
from dicom_node.delivery.destinations import concurrency_of
from dicom_node.domain.identifiers import AnalysisId, DeliveryId, JobId
from dicom_node.domain.job import JobState, Queue
from dicom_node.errors import BrokerUnavailable, OutOfResources, StateConflict
from dicom_node.intake.completion import close_studies
from dicom_node.messaging.doorbell import Doorbell
from dicom_node.messaging.embedded_broker import effective_broker_url
from dicom_node.resources import Resources, open_resources
from dicom_node.routes_in_force import activate_configured
from dicom_node.settings import Settings
from dicom_node.wakeup import Listener, listener

logger = logging.getLogger(__name__)

_REAP_EVERY_S = 1.0
_SHORTEST_WAIT_S = 0.01
"""When something is due that another dispatcher is just doing."""
_RINGS_ARE_HEARD_WITHIN = timedelta(seconds=1)
"""By a worker that is idle; one that is busy leaves the ring at the broker."""
_FIRST_BACKOFF = timedelta(seconds=0.25)
_LONGEST_BACKOFF = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What the database says comes next."""

    now: datetime
    completion: datetime | None
    job: datetime | None
    later_job: datetime | None
    """The first that is not due yet: those that are due may wait for room in their lane."""


class Dispatcher:
    """One turn of the clock after another; any number of dispatchers may run at once.

    Every decision is in the database, under its locks. What is kept here is only how often to look again.
    """

    def __init__(self, resources: Resources, doorbell: Doorbell) -> None:
        self._resources = resources
        self._doorbell = doorbell
        self._reap_at = 0.0
        self._held_back = False
        self._broker_backoff: timedelta | None = None
        self._broker_retry_at = 0.0

    def turn(self) -> float:
        """Do everything that is due; return for how many seconds nothing else will be.

        Raises
        ------
        OutOfResources
            The database cannot be reached.
        """
        ahead = self._look()
        if ahead.completion is not None and ahead.completion <= ahead.now:
            self._close_studies()
            ahead = self._look()
        if time.monotonic() >= self._reap_at:
            self._reap()
            self._take_back_lost_rings()
            self._reap_at = time.monotonic() + _REAP_EVERY_S
            ahead = self._look()
        if ahead.job is not None and ahead.job <= ahead.now and time.monotonic() >= self._broker_retry_at:
            self._ring_ready()
            ahead = self._look()
        return self._seconds_until(ahead)

    def _look(self) -> _Ahead:
        database = self._resources.database
        with database.read() as session:
            return _Ahead(
                now=database.now(session),
                completion=completion.next_completion(session),
                job=jobs.next_due(session),
                later_job=jobs.next_due_after(session, database.now(session)),
            )

    def _seconds_until(self, ahead: _Ahead) -> float:
        """Return how long to wait; a job due now waits for the window, which a ring or a reaping frees."""
        until = max(self._reap_at - time.monotonic(), 0.0)
        if self._broker_backoff is not None:
            until = min(until, max(self._broker_retry_at - time.monotonic(), 0.0))
        if ahead.completion is not None and not self._held_back:
            until = min(until, max((ahead.completion - ahead.now).total_seconds(), _SHORTEST_WAIT_S))
        if ahead.later_job is not None:
            until = min(until, max((ahead.later_job - ahead.now).total_seconds(), _SHORTEST_WAIT_S))
        return until

    def _close_studies(self) -> None:
        closed = close_studies(self._resources)
        if closed.held_back and not self._held_back:
            logger.warning("studies wait: no model is registered yet", extra={"studies": closed.held_back})
        self._held_back = closed.held_back > 0
        if closed.completed:
            logger.info("studies completed", extra={"studies": closed.completed})

    def _ring_ready(self) -> None:
        rung = [self._ring_for(queue) for queue in Queue]
        if all(rung):
            self._broker_backoff = None

    def _ring_for(self, queue: Queue) -> bool:
        """Ring for the most urgent jobs of the queue; False when the broker is away."""
        database = self._resources.database
        window = self._resources.settings.dispatch_window if self._broker_backoff is None else 1
        with database.begin() as session:
            job_ids = jobs.mark_queued(
                session,
                queue,
                window=window,
                now=database.now(session),
                concurrency=concurrency_of(session) if queue is Queue.DELIVERY else {},
            )
        for number, job_id in enumerate(job_ids):
            try:
                self._doorbell.ring(queue, job_id)
            except BrokerUnavailable:
                self._take_back(job_ids[number:])
                return False
        return True

    def _take_back(self, job_ids: list[JobId]) -> None:
        """The broker is away: the jobs are READY again, and after a while one of them tries it."""
        backoff = _FIRST_BACKOFF if self._broker_backoff is None else self._broker_backoff * 2
        self._broker_backoff = min(backoff, _LONGEST_BACKOFF)
        self._broker_retry_at = time.monotonic() + self._broker_backoff.total_seconds()
        logger.warning("broker unavailable", extra={"again_in_s": self._broker_backoff.total_seconds()})
        database = self._resources.database
        with database.begin() as session:
            take_back_rings(session, job_ids, reason="broker unavailable", now=database.now(session))

    def _take_back_lost_rings(self) -> None:
        """A broker with fewer rings than unclaimed jobs has forgotten some, or a worker died with one.

        Ringing again for a job that somebody is just claiming does no harm: the second ring finds no job.
        """
        database = self._resources.database
        for queue in Queue:
            with database.read() as session:
                rung_before = database.now(session) - _RINGS_ARE_HEARD_WITHIN
                unclaimed = waiting_jobs.unclaimed(session, queue, rung_before=rung_before)
            if not unclaimed or self._lies_at_the_broker(queue, len(unclaimed)):
                continue
            with database.begin() as session:
                now = database.now(session)
                take_back_rings(session, unclaimed, reason="the ring was lost", now=now)
            logger.warning("rings were lost", extra={"queue": queue.value, "jobs": len(unclaimed)})

    def _lies_at_the_broker(self, queue: Queue, rings: int) -> bool:
        try:
            return self._doorbell.unheard(queue) >= rings
        except BrokerUnavailable:
            return True  # nothing is known, and nobody could be rung for

    def _reap(self) -> None:
        database, settings = self._resources.database, self._resources.settings
        with database.begin() as session:
            now = database.now(session)
            reaped = jobs.reap(
                session,
                ring_timeout=settings.ring_timeout,
                maximum_attempts=settings.maximum_attempts,
                now=now,
            )
            for job in reaped:
                logger.warning(
                    "job reaped", extra={"job": str(job.job_id), "was": job.was.value, "is": job.is_now.value}
                )
                if job.is_now is JobState.DEAD:
                    _close_dead(session, job, now)


def _close_dead(session: Session, job: ReapedJob, now: datetime) -> None:
    reason = "given up: the worker was lost each time it took the job"
    try:
        match job.queue:
            case Queue.ANALYSIS:
                analyses.fail_dead_analysis(
                    session, AnalysisId(job.subject_id), reason=reason, actor="dispatcher", now=now
                )
            case Queue.DELIVERY:
                delivery_steps.exhaust_dead_delivery(
                    session, DeliveryId(job.subject_id), reason=reason, now=now
                )
            case _:
                assert_never(job.queue)
    except StateConflict:
        logger.exception("dead job of a settled subject", extra={"job": str(job.job_id)})


def run(settings: Settings) -> None:
    """Run a dispatcher until SIGTERM or SIGINT.

    Raises
    ------
    RoutesRefused
        The configured routes are wrong, and none are in force yet.
    """
    with closing(open_resources(settings)) as resources:
        activate_configured(resources.database, settings)
        _run(resources)


def _run(resources: Resources) -> None:
    settings, stopping = resources.settings, threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    bell = listener(settings)
    doorbell = Doorbell(effective_broker_url(settings))
    _ring_for_no_job(doorbell)
    readiness.announce(settings.run_home, "dispatcher")
    turn_until(stopping, Dispatcher(resources, doorbell), bell)
    readiness.withdraw(settings.run_home, "dispatcher")
    doorbell.close()
    bell.close()


def _ring_for_no_job(doorbell: Doorbell) -> None:
    """Pay for imports and the connection before a study waits for them; workers drop a ring without a job."""
    try:
        doorbell.ring(Queue.ANALYSIS, JobId(uuid.uuid4()))
    except BrokerUnavailable:
        logger.warning("the broker is not there yet")


def turn_until(stopping: threading.Event, dispatcher: Dispatcher, bell: Listener) -> None:
    """Take turns until told to stop, woken by the bell, by the next due time, and each second.

    A database that cannot be reached is waited for.
    """
    backoff = _FIRST_BACKOFF
    while not stopping.is_set():
        try:
            until = dispatcher.turn()
            backoff = _FIRST_BACKOFF
        except OutOfResources as error:
            logger.warning("no database", extra={"why": str(error), "again_in_s": backoff.total_seconds()})
            stopping.wait(backoff.total_seconds())
            backoff = min(backoff * 2, _LONGEST_BACKOFF)
            continue
        bell.wait(until)
