"""One child process that cannot outlive its parent."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """A process that is started, and started again, under one name; leads a session of its own."""

    def __init__(self, name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.name = name
        self.environment = dict(environment)
        self.backoff = timedelta()
        """How long to wait before the next start."""
        self.start_at: float | None = None
        """When to start again, on the monotonic clock; None while it runs or shall not run."""
        self.starts_in_vain = 0
        """Starts since it was last ready."""
        self.pidfd = -1
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def is_running(self) -> bool:
        """Whether it was started and not buried yet."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> int:
        """Start the process; return a descriptor that becomes readable when it ends."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        # Standard output belongs to `up --json`; what children say goes to standard error.
        self._process = subprocess.Popen(
            self._command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the supervisor has one thread
        )
        self.start_at, self._started_at = None, time.monotonic()
        self.pidfd = os.pidfd_open(self._process.pid)
        return self.pidfd

    def lived_s(self) -> float:
        """Return the seconds since the last start."""
        return time.monotonic() - self._started_at

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def bury(self) -> int:
        """End what an ended process left behind in its session; return its exit code."""
        assert self._process is not None  # noqa: S101 - its descriptor was readable
        self.kill()  # not waited for yet, so the process group cannot belong to anybody else
        code = self._process.wait()
        os.close(self.pidfd)
        self._process, self.pidfd = None, -1
        return code
