"""A pool of decoding children: files in, arrays out; a file that kills its child costs only itself."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from dicom_node.errors import OutOfResources, UnreadablePixels
from dicom_node.imaging.decoder_process import ChildLost, DecoderProcess, Limits
from dicom_node.imaging.radiograph import Radiograph
from dicom_node.imaging.stored_pixels import MAXIMUM_PIXELS_PER_INSTANCE
from dicom_node.imaging.volume import CtSlice
from dicom_node.imaging.wire import MalformedRecord, Record, Request, parse_film, parse_slice

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_AHEAD = 4
"""Files per child that are decoded before the reader asks for them."""


@dataclass(frozen=True, slots=True)
class _Order(Generic[Answer]):
    kind: Request
    path: Path
    collect: Callable[[Iterator[tuple[Record, bytearray]]], Answer]
    future: "Future[Answer]"

    def fulfil(self, child: DecoderProcess) -> None:
        """Settle the future, or raise ChildLost, the future perhaps open, when the child must be replaced."""
        try:
            self.future.set_result(self.collect(child.ask(self.kind, self.path)))
        except UnreadablePixels as error:
            self.future.set_exception(error)
        except ChildLost:
            raise
        except MalformedRecord as lost:
            raise ChildLost(str(lost)) from lost
        except Exception as error:
            self.future.set_exception(error)
            raise ChildLost(str(error)) from error

    def give_up(self, lost: ChildLost) -> None:
        """Settle the future, if it is not: the file cost a child."""
        if not self.future.done():
            self.future.set_exception(UnreadablePixels(f"the decoder was stopped: {lost}"))


class DecoderPool:
    """Long-lived decoding children with limits. Thread-safe; make it after any fork, close it at the end.

    Each child belongs to a thread, which starts it, feeds it and replaces it. The children start in the
    background as soon as the pool is made.
    """

    def __init__(self, *, processes: int, memory_bytes: int, timeout_s: float) -> None:
        self._limits = Limits(memory_bytes=memory_bytes, timeout_s=timeout_s)
        self._orders: SimpleQueue[_Order[Radiograph] | _Order[tuple[CtSlice, ...]] | None] = SimpleQueue()
        self._ahead = _AHEAD * processes
        self._children: dict[int, DecoderProcess] = {}
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"decoder-{number}", args=(number,), daemon=True)
            for number in range(processes)
        ]
        for thread in self._threads:
            thread.start()

    def submit_film(self, path: Path) -> Future[Radiograph]:
        """Ask for a film; the future raises UnreadablePixels, or OutOfResources when no child starts."""
        return self._submit(Request.FILM, path, _one_film)

    def submit_slices(self, path: Path) -> Future[tuple[CtSlice, ...]]:
        """Ask for the slices of a file: one of a CT Image, many of an Enhanced CT Image."""
        return self._submit(Request.SLICES, path, _all_slices)

    def decode_films(self, paths: Iterable[Path]) -> Iterator[Radiograph]:
        """Yield the films in the order of the paths; all children decode at once, a few files ahead.

        Raises
        ------
        UnreadablePixels
            At the film that cannot be read; the others are not harmed, but this iteration ends.
        OutOfResources
            A child cannot be started.
        """
        return self._in_order(self.submit_film, paths)

    def decode_slices(self, paths: Iterable[Path]) -> Iterator[CtSlice]:
        """Yield the slices in the order of the paths (and frames); otherwise as ``decode_films``."""
        for slices in self._in_order(self.submit_slices, paths):
            yield from slices

    def child_pids(self) -> tuple[int, ...]:
        """Return the process ids of the children, for operators and tests."""
        return tuple(child.pid for child in list(self._children.values()))

    def close(self) -> None:
        """Let each child finish what it does, then end it; orders still waiting are cancelled."""
        if self._closed.is_set():
            return
        self._closed.set()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()
        while not self._orders.empty():
            order = self._orders.get()
            if order is not None:
                order.future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(
        self, kind: Request, path: Path, collect: Callable[[Iterator[tuple[Record, bytearray]]], Answer]
    ) -> "Future[Answer]":
        if self._closed.is_set():
            raise RuntimeError("the decoder pool is closed")
        future: Future[Answer] = Future()
        self._orders.put(_Order(kind, path, collect, future))  # type: ignore[arg-type]  # Answer is one of the two
        return future

    def _in_order(
        self, submit: Callable[[Path], "Future[Answer]"], paths: Iterable[Path]
    ) -> Iterator[Answer]:
        pending: deque[Future[Answer]] = deque()
        try:
            for path in paths:
                pending.append(submit(path))
                if len(pending) > self._ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _serve(self, number: int) -> None:
        try:
            self._start_child(number)
            while not self._closed.is_set() and (order := self._orders.get()) is not None:
                if order.future.set_running_or_notify_cancel():
                    self._fulfil(number, order)
        finally:
            child = self._children.pop(number, None)
            if child is not None:
                child.kill()

    def _fulfil(self, number: int, order: _Order[Radiograph] | _Order[tuple[CtSlice, ...]]) -> None:
        """Have a child do it. What was killed from outside, as for want of memory, is tried once more."""
        for is_last in (False, True):
            child = self._children.get(number)
            if child is None or child.has_ended:
                child = self._start_child(number)
            if child is None:
                order.future.set_exception(OutOfResources("no decoder can be started"))
                return
            try:
                order.fulfil(child)
            except ChildLost as lost:
                logger.warning("decoder replaced", extra={"reason": str(lost)})
                self._start_child(number)
                if is_last or not lost.was_killed:
                    order.give_up(lost)
            if order.future.done():
                return

    def _start_child(self, number: int) -> DecoderProcess | None:
        former = self._children.pop(number, None)
        if former is not None:
            former.kill()
        try:
            self._children[number] = DecoderProcess(self._limits)
        except OSError as error:
            logger.warning("decoder does not start", extra={"reason": error.strerror})
        return self._children.get(number)


def _one_film(records: Iterator[tuple[Record, bytearray]]) -> Radiograph:
    films = [parse_film(body) for kind, body in records if kind is Record.FILM]
    if len(films) != 1:
        raise MalformedRecord("not one film")
    return films[0]


def _all_slices(records: Iterator[tuple[Record, bytearray]]) -> tuple[CtSlice, ...]:
    slices = []
    pixels = 0
    for kind, body in records:
        if kind is not Record.SLICE:
            raise MalformedRecord("not a slice")
        slices.append(parse_slice(body))
        pixels += slices[-1].hounsfield.size
        if pixels > MAXIMUM_PIXELS_PER_INSTANCE:
            raise MalformedRecord("too many slices")
    if not slices:
        raise MalformedRecord("no slice")
    return tuple(slices)
