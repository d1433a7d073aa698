"""Regular expressions that cannot stop the node: checked when the routes are, and with a time limit."""

import math
import re
from functools import lru_cache

import regex

TIME_LIMIT_S = 0.1
"""Of computing, for one search; the texts of a header are short, an honest expression takes microseconds."""
LONGEST = 500
MOST_REPETITIONS = 10_000
"""Nested counts multiply, and each repetition is laid out in memory: ``((a{99}){99}){99}``."""

_COUNT = re.compile(r"\{(\d*)(?:,(\d*))?\}")


class TooSlow(Exception):
    """A search took longer than the time limit."""


def check_expression(expression: str) -> str:
    """Return the expression.

    Raises
    ------
    ValueError
        It is none, it is longer than 500 characters, or its counted repetitions would fill the memory.
    """
    if len(expression) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    counts = [max(int(count or 0) for count in found) for found in _COUNT.findall(expression)]
    if math.prod(max(count, 1) for count in counts) > MOST_REPETITIONS:
        raise ValueError(f"more than {MOST_REPETITIONS} repetitions")
    try:
        _compiled(expression)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"no regular expression: {error}") from error
    return expression


def is_found(expression: str, text: str) -> bool:
    """Tell whether the expression is found anywhere in the text, case ignored.

    Raises
    ------
    TooSlow
        The time limit was reached.
    """
    try:
        return _compiled(expression).search(text, timeout=TIME_LIMIT_S) is not None
    except TimeoutError as error:
        raise TooSlow(f"slower than {TIME_LIMIT_S:g} s") from error


@lru_cache(maxsize=512)
def _compiled(expression: str) -> "regex.Pattern[str]":
    return regex.compile(expression, regex.IGNORECASE)
