"""Write docs/settings.md and docs/commands.md from the code; a test in ``tests/project`` compares them."""

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from typer.main import get_command

from dicom_node.cli.commands import app
from dicom_node.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"

_SETTINGS_PREFACE = """\
# Settings

Written by `scripts/reference.py` from `dicom_node/settings.py`; change it there.

Every setting is an environment variable, read once when a process starts; an empty one counts as unset.
A duration is a number of seconds (`0.3`) or ISO 8601 (`PT10M`); a list is separated by commas. No password
has a default, and nothing need be set: `dicom-node up` alone runs a whole node on loopback.

| variable | default | what it decides |
|---|---|---|
"""

_COMMANDS_PREFACE = """\
# Commands

Written by `scripts/reference.py` from the command line itself; change a command where it lives. Settings are
environment variables: [settings.md](settings.md). `--json` prints for machines; exit code 0 is "yes".
"""


def settings_page() -> str:
    """Return docs/settings.md: one row a field of ``Settings``, in the order of the class."""
    rows = (
        f"| `DICOM_NODE_{name.upper()}` | {_default(field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _SETTINGS_PREFACE + "".join(rows)


def _default(field: FieldInfo) -> str:
    match field.default:
        case timedelta() as duration:
            return f"`{duration.total_seconds():g}` s"
        case None | "" | ():
            return "unset"
        case tuple() as values:
            return f"`{','.join(map(str, values))}`"
        case value:
            return f"`{value}`"


def commands_page() -> str:
    """Return docs/commands.md: every command that ends in a verb, with its arguments and options."""
    return _COMMANDS_PREFACE + "".join(_section(words, command) for words, command in commands())


def commands() -> Iterator[tuple[str, Any]]:
    """Yield the words and the click command of everything that the command line can do."""
    root = get_command(app)
    yield from _below("dicom-node", root, root.make_context("dicom-node", [], resilient_parsing=True))


def _below(words: str, group: Any, context: Any) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            inner = command.make_context(name, [], parent=context, resilient_parsing=True)
            yield from _below(f"{words} {name}", command, inner)
        else:
            yield f"{words} {name}", command


def _section(words: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    usage = " ".join([words, *map(_usage, parameters)])
    rows = "".join(f"| `{_names(p)}` | {_meaning(p)} |\n" for p in parameters)
    table = f"\n| | |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {words}\n\n{command.help.strip()}\n\n```\n{usage}\n```\n{table}"


def _usage(parameter: Any) -> str:
    shown = _names(parameter) if _is_argument(parameter) else parameter.opts[0]
    if not _is_argument(parameter) and not parameter.is_flag:
        shown += f" {parameter.name.upper()}"
    if parameter.nargs == -1 or parameter.multiple:
        shown += " ..."
    return shown if parameter.required else f"[{shown}]"


def _names(parameter: Any) -> str:
    return str(parameter.name.upper()) if _is_argument(parameter) else " ".join(parameter.opts)


def _meaning(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    choices = list(kind) if isinstance(kind, type) and issubclass(kind, Enum) else []
    allowed = " One of " + ", ".join(f"`{choice.value}`" for choice in choices) + "." if choices else ""
    default = parameter.default
    of_this_machine = isinstance(default, Path) and default.is_absolute()
    unsaid = callable(default) or of_this_machine or default in {None, "", False}
    shown = "" if unsaid else f" Default: `{default}`."
    return f"{parameter.help or ''}{allowed}{shown}".strip()


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    (DOCS / "commands.md").write_text(commands_page())
    (DOCS / "settings.md").write_text(settings_page())
