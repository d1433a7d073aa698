"""Text that peers wrote, before a person's terminal or a page gets to see it."""

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LINE_BREAKS = {"Zl", "Zp"}
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def printable(text: str) -> str:
    """Return the text with a replacement character for each one that is obeyed instead of shown.

    Those are the control characters (a terminal takes ESC for the start of a command, PostgreSQL takes no
    NUL), line breaks, lone surrogates, and what turns the direction of the text around it. Letters, marks and
    spaces of every script stay as they are.
    """
    return "".join(_REPLACEMENT if _is_obeyed(character) else character for character in text)


def _is_obeyed(character: str) -> bool:
    return (
        unicodedata.category(character) in {"Cc", "Cs", *_LINE_BREAKS}
        or unicodedata.bidirectional(character) in _DIRECTIONS
    )
