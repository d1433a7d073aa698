"""Load routes so that whoever wrote them is told the file and the line of everything that is wrong."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dicom_node.errors import RoutesRefused
from dicom_node.routing.document import Routes, parse_routes
from dicom_node.routing.lines import LinesOf

LARGEST_BYTES = 512 * 1024

_AT = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesDocument:
    """Routes with the text that they were read from."""

    source: str
    """A path, or where else it came from."""
    text: str
    sha256: str
    routes: Routes


def load_routes(path: Path) -> RoutesDocument:
    """Return the routes of a file; raises like :func:`read_routes`, and ``OSError``."""
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise RoutesRefused((f"{path}:1: larger than {LARGEST_BYTES // 1024} KiB",))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RoutesRefused((f"{path}:{line}: no UTF-8",)) from None
    return read_routes(text.replace("\r\n", "\n"), str(path))


def read_routes(text: str, source: str) -> RoutesDocument:
    """Return the routes of a text.

    Raises
    ------
    RoutesRefused
        It is no TOML, or says something that routes do not have: every problem with its file and line.
    """
    try:
        routes = parse_routes(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at else max(len(text.splitlines()), 1)
        raise RoutesRefused((f"{source}:{line}: no TOML: {_AT.sub('', str(error)).strip()}",)) from None
    except ValidationError as error:
        raise RoutesRefused(tuple(_problems(error, text, source))) from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    return RoutesDocument(source=source, text=text, sha256=digest, routes=routes)


def _problems(error: ValidationError, text: str, source: str) -> Iterator[str]:
    lines = LinesOf(text)
    found = []
    for problem in error.errors(include_url=False):
        where = _place_of(problem)
        words = problem["msg"].removeprefix("Value error, ")
        found.append((lines.at(where), ".".join(map(str, where)), words))
    for line, place, words in sorted(found):
        yield f"{source}:{line}: {place}: {words}" if place else f"{source}:{line}: {words}"


def _place_of(problem: Any) -> tuple[str | int, ...]:
    place: tuple[str | int, ...] = getattr(problem.get("ctx", {}).get("error"), "place", ()) or problem["loc"]
    if place[:1] == ("destinations",) and len(place) > 3:
        return (*place[:2], *place[3:])  # pydantic names the kind, which the document does not nest by
    return place
