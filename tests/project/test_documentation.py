"""Documentation that a program can check: settings, commands, rooms, links."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicom_node.cli.commands import app
from dicom_node.domain.audit import Action
from dicom_node.settings import Settings
from scripts.reference import commands, commands_page, settings_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def test_every_setting_is_documented() -> None:
    page = (DOCS / "settings.md").read_text()
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == {
        f"DICOM_NODE_{name.upper()}" for name in Settings.model_fields
    }
    assert page == settings_page(), "run .venv/bin/python scripts/reference.py"


@pytest.mark.parametrize("text", ["0.3", "PT0.3S", "0:00:00.3"])
def test_a_duration_is_set_as_the_page_says(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_QUIET_PERIOD_CT", text)
    assert Settings().quiet_period_ct == timedelta(seconds=0.3)


def test_every_room_of_the_node_is_on_the_plan() -> None:
    plan = (DOCS / "architecture.md").read_text()
    rooms = [path for path in (ROOT / "dicom_node").iterdir() if not path.name.startswith("_")]
    assert [room.name for room in rooms if not re.search(rf"\b{re.escape(room.stem)}\b", plan)] == []


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_command_is_documented() -> None:
    page = (DOCS / "commands.md").read_text()
    assert set(re.findall(r"^## (dicom-node .+)$", page, re.MULTILINE)) == {words for words, _ in commands()}
    assert page == commands_page(), "run .venv/bin/python scripts/reference.py"


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    first_words = {words.split()[1] for words, _ in commands()}
    assert first_words <= set(re.findall(r"^[│|]?\s*([a-z-]+) ", shown, re.MULTILINE))


def test_every_audit_action_is_documented_and_written_somewhere() -> None:
    page = (DOCS / "audit.md").read_text()
    files = [path for room in ("dicom_node", "worker") for path in (ROOT / room).rglob("*.py")]
    code = "".join(path.read_text() for path in files)
    assert re.findall(r"^\| `([a-z._]+)`", page, re.MULTILINE) == [action.value for action in Action]
    assert [action.name for action in Action if f"Action.{action.name}" not in code] == []
