"""Write docs/settings.md and docs/commands.md from the code; a test in ``tests/project`` compares them."""

from datetime import timedelta
from pathlib import Path

from pydantic.fields import FieldInfo

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


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    (DOCS / "settings.md").write_text(settings_page())
