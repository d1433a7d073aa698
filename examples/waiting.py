"""Waiting for a condition, with a deadline and a name for what was waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found | None], within_s: float, what: str) -> Found:
    """Return what the condition finds, or end with a clear message when it finds nothing in time."""
    deadline = time.monotonic() + within_s
    while (found := condition()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.1)
    return found
