"""The command line: what it offers, and how it fails."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.pacs import Pacs
from tests.synthetic import studies as synthetic


def dicom_node(*words: str, home: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", **{f"DICOM_NODE_{k.upper()}": v for k, v in settings.items()}}
    if home is not None:
        environment["DICOM_NODE_DATA_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "dicom_node.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_the_commands_of_all_three_packages() -> None:
    said = dicom_node("--help").stdout

    for name in ("up", "send", "echo", "status", "worklist", "audit", "models", "worker"):
        assert name in said


def test_help_loads_neither_torch_nor_pynetdicom() -> None:
    code = (
        "import sys\n"
        "from dicom_node.cli.commands import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'monai', 'pynetdicom', 'sqlalchemy', 'highdicom'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path) -> None:
    done = dicom_node("status", home=tmp_path, ae_title="A_TITLE_THAT_IS_TOO_LONG")

    assert done.returncode == 2
    assert done.stderr.startswith("DICOM_NODE_AE_TITLE:")
    assert "Traceback" not in done.stderr


def test_a_destination_that_is_none_is_refused_at_start(tmp_path: Path) -> None:
    done = dicom_node("worklist", home=tmp_path, destinations="PACS:104")

    assert done.returncode == 2
    assert "write AE_TITLE@host:port" in done.stderr


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (("worklist",), "DATABASE_URL", "mysql://somebody:SECRET@db/node"),
        (("status",), "BROKER_URL", "foo://somebody:SECRET@broker"),
        (("worker", "run", "--queue", "delivery", "--slot", "delivery-0"), "SCP_PORT", "99999"),
    ],
)
def test_every_command_names_a_wrong_setting_in_one_line(
    tmp_path: Path, words: tuple[str, ...], name: str, value: str
) -> None:
    done = dicom_node(*words, home=tmp_path, **{name.lower(): value})

    assert done.returncode == 2
    assert done.stderr.startswith(f"DICOM_NODE_{name}:")
    assert len(done.stderr.splitlines()) == 1
    assert "SECRET" not in done.stderr


@pytest.mark.parametrize("words", [("worklist",), ("serve",), ("migrate",), ("up",)])
def test_a_data_folder_that_cannot_be_made_is_told_in_one_line(words: tuple[str, ...]) -> None:
    done = dicom_node(*words, home=Path("/proc/nowhere"))

    assert done.returncode == 1
    assert done.stderr.startswith("dicom-node: ")
    assert "/proc/nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("web",), ("serve",)])
def test_a_port_that_is_taken_is_told_without_a_traceback(tmp_path: Path, words: tuple[str, ...]) -> None:
    dicom_node("migrate", home=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = dicom_node(*words, home=tmp_path, web_port=port, scp_port=port)

    assert done.returncode == 1
    assert f"dicom-node: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_then_an_empty_worklist_and_audit_trail(tmp_path: Path) -> None:
    assert dicom_node("migrate", home=tmp_path).returncode == 0

    assert json.loads(dicom_node("worklist", "--json", home=tmp_path).stdout) == []
    assert json.loads(dicom_node("audit", "--json", home=tmp_path).stdout) == []


def test_an_action_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    dicom_node("migrate", home=tmp_path)

    done = dicom_node("audit", "--action", "study.eaten", home=tmp_path)

    assert done.returncode == 2
    assert "study.completed" in done.stderr


@pytest.mark.parametrize("words", [("echo", "PACS@127.0.0.1:1"), ("echo", "nonsense")])
def test_a_peer_that_does_not_answer_is_told_without_a_traceback(words: tuple[str, ...]) -> None:
    done = dicom_node(*words, "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["answers"] is False
    assert "Traceback" not in done.stderr


def test_sending_to_nobody_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "not-dicom.dcm").write_bytes(b"nothing")

    done = dicom_node("send", str(tmp_path / "not-dicom.dcm"), "--to", "PACS@127.0.0.1:1", "--json")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_status_of_a_node_without_its_database_is_told(tmp_path: Path) -> None:
    done = dicom_node(
        "status", "--json", home=tmp_path, database_url="postgresql+psycopg://nobody@127.0.0.1:1/x"
    )

    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["ready"] is False
    assert said["checks"]["database"] is False


def test_a_report_is_a_tree_or_dicom_json(tmp_path: Path) -> None:
    tree = synthetic.structured_report(ValueType="CONTAINER", ContentSequence=[])
    report = synthetic.write(tree, tmp_path / "report.dcm")

    assert dicom_node("report", str(report)).returncode == 0
    as_json = json.loads(dicom_node("report", str(report), "--json").stdout)
    assert as_json["00080060"]["Value"] == ["SR"]


def test_what_is_no_report_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no report")
    (film,) = synthetic.write_all([synthetic.chest_film()], tmp_path)

    for path in (tmp_path / "notes.txt", film):
        done = dicom_node("report", str(path))
        assert done.returncode == 1
        assert done.stderr.splitlines()[0].startswith(f"dicom-node: {path} is no structured report")
        assert len(done.stderr.splitlines()) == 1


def test_what_else_lies_in_a_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "cd" / "images").mkdir(parents=True)
    (film,) = synthetic.write_all([synthetic.chest_film()], tmp_path / "cd" / "images")
    (tmp_path / "cd" / "viewer.exe").write_bytes(b"MZ")
    (tmp_path / "cd" / "DICOMDIR").write_bytes(film.read_bytes())

    with Pacs() as pacs:
        done = dicom_node("send", str(tmp_path / "cd"), "--to", str(pacs.destination), "--json")

    assert done.returncode == 0, done.stderr
    assert [(one["path"], one["accepted"]) for one in json.loads(done.stdout)] == [(str(film), True)]
    assert "left out 2 files" in done.stderr


def test_a_file_that_was_not_taken_is_named(tmp_path: Path) -> None:
    (film,) = synthetic.write_all([synthetic.chest_film()], tmp_path)
    (tmp_path / "notes.txt").write_text("no image")

    with Pacs() as pacs:
        done = dicom_node("send", str(film), str(tmp_path / "notes.txt"), "--to", str(pacs.destination))

    assert done.returncode == 1
    assert "1 of 2 instances accepted" in done.stdout
    assert str(tmp_path / "notes.txt") in done.stdout
    assert str(film) not in done.stdout


def test_an_unmigrated_database_is_told_without_a_traceback(tmp_path: Path) -> None:
    done = dicom_node("worklist", home=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "dicom-node migrate" in done.stderr
