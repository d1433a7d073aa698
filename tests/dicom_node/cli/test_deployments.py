"""`deployments`: models staged, compared, promoted and rolled back from the command line."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicom_node.cli.commands import main
from dicom_node.database import analyses
from dicom_node.database.engine import Database
from dicom_node.database.rule_sets import RuleSet, enter_rule_set
from dicom_node.domain.deployment import ModelMode
from dicom_node.settings import Settings
from tests.synthetic.stories import CT, CXR, NOON, complete_study, finish, register, start, study_uid

Command = Callable[..., str]


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The embedded database of an installation, with two models that both read DX."""
    monkeypatch.setenv("DICOM_NODE_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("dicom_node.logs.configure_logging", lambda *_: None)  # it is of the whole process
    shutil.copy(sqlite_template, tmp_path / "node.sqlite")
    with closing(Database(Settings().effective_database_url)) as opened:
        register(opened, CXR, CT)
        yield opened


@pytest.fixture
def command(database: Database, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command, expect its exit code and return everything that it said."""

    def run(*words: str, ends: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["deployments", *words])
        said = capsys.readouterr()
        assert (ended.value.code or 0) == ends, said
        return said.out + said.err

    return run


def read_by_both(database: Database, *numbers: int) -> None:
    for number in numbers:
        complete_study(database, number)
        for model, mode in ((CXR, ModelMode.ACTIVE), (CT, ModelMode.SHADOW)):
            with database.begin() as session:
                analyses.request_analysis(session, study_uid(number), model, priority=5, now=NOON, mode=mode)
            finish(database, start(database))


def activate(database: Database, text: str) -> None:
    with database.begin() as session:
        enter_rule_set(
            session,
            RuleSet(sha256="0" * 64, text=text, source="test", activated_at=NOON, activated_by="ann"),
        )


def in_force(command: Command) -> dict[tuple[str, str], tuple[str, str]]:
    found = json.loads(command("list", "--json"))["in_force"]
    return {(one["rule"], one["model"]): (one["routes"], one["in_force"]) for one in found}


def test_the_list_shows_what_the_routes_say_and_what_stands_above_them(
    command: Command, database: Database
) -> None:
    activate(database, '[[rules]]\nname = "films"\nthen.models = [{name = "cxr-model"}]\n')
    command("set", CT.name, CT.version, "--mode", "canary", "--share", "0.1", "--reason", "try it")
    assert in_force(command) == {
        ("films", "ct-model 2.1.0"): ("-", "canary 10%"),
        ("films", "cxr-model 1.0.0"): ("active", "active"),
        ("default", "ct-model 2.1.0"): ("active", "canary 10%"),
        ("default", "cxr-model 1.0.0"): ("active", "active"),
    }
    assert "try it" in command("list")


def test_a_later_activation_of_routes_undoes_no_stage(command: Command, database: Database) -> None:
    command("set", CT.name, CT.version, "--mode", "off", "--reason", "an emergency")
    activate(database, '[default]\nmodels = [{name = "ct-model"}]\n')
    assert in_force(command)["default", "ct-model 2.1.0"] == ("active", "off")
    command("set", CT.name, CT.version, "--mode", "as-routed", "--reason", "it is over")
    assert in_force(command)["default", "ct-model 2.1.0"] == ("active", "active")


def test_a_challenger_is_compared_promoted_by_its_digest_and_rolled_back(
    command: Command, database: Database
) -> None:
    read_by_both(database, 1, 2)
    report = json.loads(command("compare", "cxr-model", f"{CT.name}@{CT.version}", "--days", "0", "--json"))
    assert (report["studies"], report["agree"], report["kappa"]) == (2, 2, None)
    assert report["disagreeing"] == []
    promote = ("promote", CT.name, CT.version, "--instead-of", CXR.name, "--reason", "it is better")
    assert "has read 2 studies here, fewer than 20" in command(*promote, ends=1)
    pin = ("--weights-sha256", report["challenger"]["weights_sha256"], "--least-read", "2")
    assert "ct-model 2.1.0, every rule: active; it has read 2 studies here" in command(*promote, *pin)
    assert in_force(command) == {
        ("default", "ct-model 2.1.0"): ("active", "active"),
        ("default", "cxr-model 1.0.0"): ("active", "off"),
    }
    said = command("rollback", CT.name, "--reason", "it was not")
    assert "taken back: cxr-model 1.0.0, every rule: off" in said
    assert in_force(command)["default", "cxr-model 1.0.0"] == ("active", "active")
    assert "taken back" in command("list", "--log")


def test_the_comparison_for_people_calls_neither_model_right(command: Command, database: Database) -> None:
    read_by_both(database, 1)
    said = command("compare", "cxr-model", "ct-model", "--days", "0")
    assert "1 studies closed by both, 1 read by both" in said
    assert "No truth is known here" in said
    assert CXR.weights_sha256 in said


@pytest.mark.parametrize("pin", ["", CT.version])
def test_other_weights_than_were_compared_or_pinned_are_not_promoted(
    command: Command, database: Database, pin: str
) -> None:
    promote = ("promote", CT.name, CT.version, "--least-read", "0", "--reason", "why not")
    assert "not with ffff" in command(*promote, "--weights-sha256", "f" * 64, ends=1)
    pinned = f'{{name = "ct-model", version = "{pin}", weights_sha256 = "{"f" * 64}"}}'
    activate(database, f"[default]\nmodels = [{pinned}]\n")
    assert "other weights than the routes pin under default" in command(*promote, ends=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "nonesuch", "1.0.0", "--mode", "shadow", "--reason", "x"), "is on no worker"),
        (("set", CT.name, CT.version, "--mode", "off", "--reason", " "), "a reason is needed"),
        (("promote", "nonesuch", "1.0.0", "--reason", "x"), "no worker has registered nonesuch@1.0.0"),
        (("rollback", CT.name, "--reason", "x"), "nothing to take back"),
        (("compare", "cxr-model", "nonesuch"), "no worker has registered nonesuch"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(command: Command, words: tuple[str, ...], said: str) -> None:
    answer = command(*words, ends=1)
    assert said in answer
    assert "Traceback" not in answer


def test_help_names_the_commands() -> None:
    from dicom_node.cli.commands import app

    shown = CliRunner().invoke(app, ["deployments", "--help"], env={"COLUMNS": "200"}).stdout
    for name in ("list", "set", "promote", "rollback", "compare"):
        assert name in shown
