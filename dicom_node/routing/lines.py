"""On which line of a TOML document something stands: the parser of the standard library does not say."""

import tomllib
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]
"""Keys and indices from the root, as pydantic names them."""

_ENDINGS = ("]", '"""', "'''")
"""One of these is on the last line of every statement of more than one line."""


class LinesOf:
    """The lines of a valid TOML document, by place."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {(): 1}
        self._last_index: dict[Place, int] = {}
        table: Place = ()
        for line, statement in _statements(text):
            said = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                table = self._entered(said)
                self._lines.setdefault(table, line)
            else:
                for place in _places(said):
                    self._lines.setdefault((*table, *place), line)

    def at(self, place: Place) -> int:
        """Return the line of the place, or of the nearest thing around it that is written down."""
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def _entered(self, header: dict[str, Any]) -> Place:
        """Return the place of a header: ``[a.b]``, or ``[[a.b]]``, which is one more of an array."""
        place: Place = ()
        inner: Any = header
        while isinstance(inner, dict) and inner:
            ((key, inner),) = inner.items()
            place = (*place, key)
            if isinstance(inner, list):
                self._last_index[place] = self._last_index.get(place, -1) + 1
            if place in self._last_index:
                place = (*place, self._last_index[place])
        return place


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with its first line: the fewest lines that are TOML by themselves."""
    first, held = 1, ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not held:
            first = number
        is_first = not held
        held += line
        if (is_first or any(ending in line for ending in _ENDINGS)) and _is_toml(held):
            if held.strip():
                yield first, held
            held = ""


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _places(value: Any) -> Iterator[Place]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (key,)
        for place in _places(part):
            yield (key, *place)
