"""The node's side of one decoding child: start it, ask it with a deadline, put an end to it."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dicom_node.errors import OutOfResources, UnreadablePixels
from dicom_node.imaging.wire import (
    HEADER,
    MalformedRecord,
    Record,
    Request,
    parse_error,
    parse_header,
    request,
)

_START_UP_S = 60.0
_PIPE_BYTES = 1 << 20
_CHECKOUT = Path(__file__).parents[2]


class ChildLost(Exception):
    """The child died, fell silent or talks nonsense; it must be replaced. The message says what happened."""

    @property
    def was_killed(self) -> bool:
        """Whether somebody else ended it: the system for want of memory, or a person; hardly the file."""
        return signal.SIGKILL.name in str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a decoding child may use."""

    memory_bytes: int
    timeout_s: float
    """Of one instance, wall clock; the same of CPU time."""


class DecoderProcess:
    """One child. Not thread-safe; and only the thread that made it keeps it alive (PR_SET_PDEATHSIG)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._is_ready = False
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "dicom_node.imaging.decoder_child",
                str(os.getpid()),
                str(limits.memory_bytes),
                str(limits.timeout_s),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={"PYTHONPATH": str(_CHECKOUT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        with contextlib.suppress(OSError):  # a small pipe is only slower
            fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(self._output, False)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the child is dead already, which is no fault of the next file."""
        return self._is_ready and self._process.poll() is not None

    def ask(self, kind: Request, path: Path) -> Iterator[tuple[Record, bytearray]]:
        """Yield the FILM or SLICE records of a file.

        Raises
        ------
        UnreadablePixels
            The file cannot be read; the child lives on.
        ChildLost
            The child does not.
        OutOfResources
            The child did not even start.
        """
        self._wait_until_ready()
        deadline = time.monotonic() + self._limits.timeout_s
        self._send(request(kind, path))
        while True:
            answered, body = self._receive(deadline)
            match answered:
                case Record.DONE:
                    return
                case Record.ERROR:
                    raise UnreadablePixels(parse_error(body))
                case Record.LAST_ERROR:
                    raise ChildLost(parse_error(body))
                case _:
                    yield answered, body

    def kill(self) -> None:
        """End the child, whatever it does, and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        return self._process.stdout.fileno()

    def _wait_until_ready(self) -> None:
        if self._is_ready:
            return
        try:
            first, _ = self._receive(time.monotonic() + _START_UP_S)
        except ChildLost as lost:
            raise OutOfResources(f"the decoder does not start: {lost}") from lost
        if first is not Record.READY:
            raise ChildLost("it does not start as it should")
        self._is_ready = True

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(message)  # shorter than a pipe's buffer
        except OSError as error:
            raise ChildLost(self._last_words()) from error

    def _receive(self, deadline: float) -> tuple[Record, bytearray]:
        try:
            header = parse_header(self._read(HEADER.size, deadline))
        except MalformedRecord as error:
            raise ChildLost(f"it answered nonsense ({error})") from error
        return header.kind, self._read(header.length, deadline)

    def _read(self, count: int, deadline: float) -> bytearray:
        buffer = bytearray(count)
        rest = memoryview(buffer)
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        while rest:
            try:
                got = os.readv(self._output, [rest])
            except BlockingIOError:
                if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise ChildLost(f"it took longer than {self._limits.timeout_s:g} s") from None
                continue
            if got == 0:
                raise ChildLost(self._last_words())
            rest = rest[got:]
        return buffer

    def _last_words(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        if code == -signal.SIGXCPU:
            return f"it used more than {self._limits.timeout_s:g} s of CPU time"
        return f"it died of {signal.Signals(-code).name}" if code < 0 else f"it ended with code {code}"
