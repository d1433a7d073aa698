"""A tree of processes: started in order, started again when they end, stopped in reverse order."""

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dicom_node.errors import StartFailed
from dicom_node.readiness import Ready
from dicom_node.supervisor.child import Child

logger = logging.getLogger(__name__)

_LOOK_AT_READINESS_S = 0.05
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A process of the tree: how it is started, how it says that it is ready, how long it may take to end."""

    name: str
    command: tuple[str, ...]
    said: Callable[[], Ready | None]
    """Returns what the process said when it was ready; None until then."""
    forget: Callable[[], None] = lambda: None
    """Called before each start: what a predecessor said no longer counts."""
    drain: timedelta = timedelta(seconds=10)
    """Time from SIGTERM to SIGKILL."""
    port_variable: str = ""
    """Environment variable that keeps the port of the first start: a free port must not change later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the tree starts its processes again, and when it gives up starting."""

    first_backoff: timedelta = timedelta(seconds=0.1)
    longest_backoff: timedelta = timedelta(seconds=30)
    healthy_after: timedelta = timedelta(seconds=10)
    """A process that lived so long starts again after the first backoff."""
    starts_before_giving_up: int = 5
    """While the tree is not up yet: starts of a process that never was ready."""
    start_timeout: timedelta = timedelta(minutes=5)
    """Longest time that the processes of one stage may need to be ready."""


class ProcessTree:
    """Stages of processes; a stage starts when every process of the one before is ready.

    Before the tree was up once, a process that keeps ending makes the whole start fail, so that a port in use
    is a message and not a loop. Afterwards every process that ends is started again, for ever.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[ProcessSpec]],
        environment: Mapping[str, str],
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._stages = [[Child(spec.name, spec.command, environment) for spec in stage] for stage in stages]
        self._specs = {spec.name: spec for stage in stages for spec in stage}
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._stop_requests = 0

    def run(self, on_up: Callable[[Mapping[str, Ready]], None]) -> None:
        """Start everything, call ``on_up`` with what each process said, keep all alive until told to stop.

        SIGTERM, SIGINT and SIGHUP ask for a clean stop, a second one for a quick one. To be called in the
        main thread: children die with the thread that started them.

        Raises
        ------
        StartFailed
            A process ended again and again, or was not ready in time, before the tree was up.
        """
        handlers = {number: signal.signal(number, self._on_signal) for number in _STOPPING}
        try:
            if all(self._start(stage) for stage in self._stages):
                on_up({name: ready for name, spec in self._specs.items() if (ready := spec.said())})
                while not self._stop_requests:
                    self._turn(None)
        finally:
            for stage in reversed(self._stages):
                self._stop(stage)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._selector.close()
            self._bell.close()
            self._ringer.close()

    def request_stop(self) -> None:
        """Ask for a clean stop; may be called from a signal handler."""
        self._stop_requests += 1
        self._ringer.send(b"!")

    def _on_signal(self, *_: object) -> None:
        self.request_stop()

    def _start(self, stage: Sequence[Child]) -> bool:
        for child in stage:
            self._spawn(child)
        deadline = time.monotonic() + self._pace.start_timeout.total_seconds()
        while not self._stop_requests:
            unready = [child for child in stage if not self._is_ready(child)]
            if not unready:
                return True
            for child in unready:
                if child.starts_in_vain >= self._pace.starts_before_giving_up:
                    raise StartFailed(f"{child.name} ended {child.starts_in_vain} times before it was ready")
            if time.monotonic() > deadline:
                raise StartFailed(f"{', '.join(child.name for child in unready)} not ready in time")
            self._turn(_LOOK_AT_READINESS_S)
        return False

    def _is_ready(self, child: Child) -> bool:
        spec = self._specs[child.name]
        ready = spec.said() if child.is_running else None
        if ready is None:
            return False
        child.starts_in_vain = 0
        if spec.port_variable and ready.port:
            child.environment[spec.port_variable] = str(ready.port)
        return True

    def _turn(self, timeout_s: float | None) -> None:
        """Sleep until a process ends, somebody asks to stop, a restart is due, or the time is over."""
        due = [child.start_at for stage in self._stages for child in stage if child.start_at is not None]
        if due:
            until_due = max(0.0, min(due) - time.monotonic())
            timeout_s = until_due if timeout_s is None else min(timeout_s, until_due)
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, Child):
                self._bury(key.data)
            else:
                self._bell.recv(64)
        if self._stop_requests:
            return
        for stage in self._stages:
            for child in stage:
                if child.start_at is not None and child.start_at <= time.monotonic():
                    self._spawn(child)

    def _spawn(self, child: Child) -> None:
        self._specs[child.name].forget()
        try:
            descriptor = child.start()
        except OSError as error:  # no memory or no process left: it may be there again soon
            logger.warning("process not started", extra={"child": child.name, "why": error.strerror})
            self._plan_restart(child, lived=timedelta())
            return
        self._selector.register(descriptor, selectors.EVENT_READ, child)
        logger.info("process started", extra={"child": child.name, "pid": child.pid})

    def _bury(self, child: Child) -> None:
        """Take leave of an ended process and plan the next start."""
        lived = timedelta(seconds=child.lived_s())
        self._selector.unregister(child.pidfd)
        code = child.bury()
        self._specs[child.name].forget()
        if self._stop_requests:
            return
        logger.warning("process ended", extra={"child": child.name, "exit_code": code})
        self._plan_restart(child, lived=lived)

    def _plan_restart(self, child: Child, *, lived: timedelta) -> None:
        if lived >= self._pace.healthy_after or not child.backoff:
            child.backoff = self._pace.first_backoff
        child.starts_in_vain += 1
        child.start_at = time.monotonic() + child.backoff.total_seconds()
        logger.info(
            "starting it again", extra={"child": child.name, "after_s": child.backoff.total_seconds()}
        )
        child.backoff = min(child.backoff * 2, self._pace.longest_backoff)

    def _stop(self, stage: Sequence[Child]) -> None:
        """End every process of the stage: SIGTERM, its time to drain, SIGKILL."""
        self._stop_requests = max(1, self._stop_requests)
        started = time.monotonic()
        for child in stage:
            child.start_at = None
            child.terminate()
        killed: set[str] = set()
        while running := [child for child in stage if child.is_running]:
            left = {
                child.name: self._specs[child.name].drain.total_seconds() - (time.monotonic() - started)
                for child in running
            }
            for child in running:
                if child.name not in killed and (self._stop_requests > 1 or left[child.name] <= 0):
                    logger.warning("process did not end in time, killing it", extra={"child": child.name})
                    child.kill()
                    killed.add(child.name)
            waits = [seconds for name, seconds in left.items() if name not in killed]
            self._turn(max(0.0, min(waits)) if waits else None)
