"""`routes`: what an administrator types and reads."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicom_node.cli.commands import app
from dicom_node.database.engine import Database
from dicom_node.errors import RoutesRefused
from dicom_node.intake.completion import close_studies
from dicom_node.resources import open_resources
from dicom_node.settings import Settings
from tests.synthetic.routed import PLACES
from tests.synthetic.stories import CXR, receive_study, register, study_uid

TO_PACS = PLACES + '[default]\ndestinations = ["PACS"]\n'
TO_BACKUP = PLACES + '[default]\ndestinations = ["BACKUP"]\n'


@pytest.fixture
def home(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "node"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "node.sqlite")
    monkeypatch.setenv("DICOM_NODE_DATA_HOME", str(folder))
    monkeypatch.setattr("dicom_node.logs.configure_logging", lambda *_: None)  # it is of the whole process
    monkeypatch.chdir(tmp_path)
    return folder


def routes(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["routes", *words], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def written(text: str, name: str = "routes.toml") -> str:
    Path(name).write_text(text)
    return name


def complete_one(home: Path) -> str:
    resources = open_resources(Settings(data_home=home))
    register(resources.database, CXR)
    uid = receive_study(resources.database)
    assert close_studies(resources).completed == 1
    resources.close()
    return uid


@pytest.mark.usefixtures("home")
def test_the_node_does_not_start_with_a_wrong_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_ROUTES", written("\nmatch = 1\n"))
    for command in ("up", "dispatch"):
        done = CliRunner().invoke(app, [command])
        assert isinstance(done.exception, RoutesRefused)
        assert str(done.exception).startswith("routes.toml:2: match: ")


@pytest.mark.usefixtures("home")
def test_a_file_is_checked() -> None:
    assert routes("check", written(TO_PACS))[0] == 0
    code, _, told = routes("check", written("match = 1\n\n[[rules]]\n"))
    assert code == 1
    assert [line.rsplit(": ", 1)[0] for line in told.splitlines()] == [
        "routes.toml:1: match",
        "routes.toml:3: rules.0.name",
    ]


def test_a_file_is_activated_and_shown(home: Path) -> None:
    assert routes("show")[0] == 1
    assert routes("activate", written("match = 1"))[0] == 1
    assert routes("show")[0] == 1
    assert routes("activate", written(TO_PACS))[1].startswith("activated: ")
    assert routes("activate", written(TO_PACS))[1].startswith("already in force: ")
    code, told, _ = routes("show", "--json")
    assert code == 0
    shown = json.loads(told)
    assert shown["text"] == TO_PACS
    assert shown["activated_by"].startswith("user:")
    assert "PACS@127.0.0.1:4242" in routes("show")[1]
    assert Database(f"sqlite:///{home / 'node.sqlite'}").url.database


def test_a_study_is_explained_clause_by_clause(home: Path) -> None:
    rule = '[[rules]]\nname = "ct [bold]"\nwhen = { modality = ["CT"], calling_ae = ["S*"] }\n'
    routes("activate", written(TO_PACS + rule))
    uid = complete_one(home)
    code, told, _ = routes("explain", uid)
    assert code == 0
    assert "ct [bold]" in told
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if "│" in line]
    assert ["", "modality", "CT", "DX", "NO"] in rows
    assert ["", "calling_ae", "S*", "SENDER", "yes"] in rows
    assert "decides now: default: read; models cxr-model 1.0.0 active; results to PACS" in told
    told = json.loads(routes("explain", uid, "--json", "--routes", written(TO_BACKUP, "new.toml"))[1])
    assert told["decision"]["destinations"] == ["BACKUP"]
    assert told["stored"]["destinations"] == ["PACS"]
    assert routes("explain", "1.2.3")[0] == 1


def test_a_backtest_tells_what_would_change(home: Path) -> None:
    routes("activate", written(TO_PACS))
    uid = complete_one(home)
    code, told, _ = routes("backtest", written(TO_BACKUP, "new.toml"), "--days", "30")
    assert code == 0
    assert "1 studies of the last 30 days: +0 studies, \N{MINUS SIGN}0, 1 change destination" in told
    assert uid in told
    found = json.loads(routes("backtest", "new.toml", "--json")[1])
    assert (found["destination"], found["gained"], found["lost"]) == (1, 0, 0)
    assert found["changes"][0]["after"]["destinations"] == ["BACKUP"]
    assert routes("backtest", written("match = 1", "bad.toml"))[0] == 1


def test_a_held_study_is_released(home: Path) -> None:
    routes("activate", written(TO_PACS.replace("[default]", '[default]\naction = "hold"')))
    uid = complete_one(home)
    assert uid == study_uid()
    assert f"released {uid}: read, cxr-model 1.0.0 (active)" in routes("release", uid)[1]
