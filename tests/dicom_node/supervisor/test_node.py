"""The node as a process tree: what runs, with which settings, once per data folder, from start to end."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from dicom_node import readiness
from dicom_node.messaging.embedded_broker import effective_broker_url
from dicom_node.readiness import Ready
from dicom_node.settings import Settings
from dicom_node.supervisor.node import announce, environment_of, node_stages
from dicom_node.web.health import expected_processes
from tests.journeys.running_node import RunningNode, wait_until


def names(settings: Settings) -> list[list[str]]:
    return [[spec.name for spec in stage] for stage in node_stages(settings)]


def test_the_broker_comes_first_and_the_scp_last(settings: Settings) -> None:
    assert names(settings) == [["broker"], ["dispatcher", "analysis-0", "delivery-0", "web"], ["scp"]]


def test_there_are_as_many_analysis_workers_as_set(settings: Settings) -> None:
    three = settings.model_copy(update={"analysis_workers": 3})
    assert [name for name in names(three)[1] if name.startswith("analysis")] == [
        "analysis-0",
        "analysis-1",
        "analysis-2",
    ]


def test_a_configured_broker_is_not_started(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"broker_url": "redis://broker.example:6379/0"})
    assert "broker" not in [name for stage in names(elsewhere) for name in stage]


def test_the_status_expects_the_processes_that_are_started(settings: Settings) -> None:
    two = settings.model_copy(update={"analysis_workers": 2})
    started = {name for stage in names(two) for name in stage} - {"broker"}
    assert set(expected_processes(two)) == started


def test_children_read_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(
        data_home=tmp_path / "node",
        calling_ae_titles=("MODALITY", "OTHER AE"),
        destinations=("PACS@127.0.0.1:104", "BACKUP@[::1]:11112"),
        quiet_period_radiograph=timedelta(milliseconds=123),
        silence_period=timedelta(days=2, microseconds=7),
        weights_home=tmp_path / "weights",
        scp_port=0,
        log_format="console",
    )
    for name, text in environment_of(given).items():
        monkeypatch.setenv(name, text)
    read = Settings()
    assert read.model_dump() == {**given.model_dump(), "broker_url": effective_broker_url(given)}


def test_an_old_variable_does_not_reach_the_children(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_DESTINATIONS", "OLD@127.0.0.1:1")
    monkeypatch.setenv("PATH_OF_SOMEBODY", "kept")
    environment = environment_of(settings)
    assert "DICOM_NODE_DESTINATIONS" not in environment
    assert environment["PATH_OF_SOMEBODY"] == "kept"


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_node_that_is_up_says_where(
    settings: Settings, capsys: pytest.CaptureFixture[str], host: str, shown: str
) -> None:
    told = settings.model_copy(update={"scp_host": host, "web_host": host})
    told.run_home.mkdir(parents=True)
    said = {name: Ready(process=name, pid=1, port=port) for name, port in (("scp", 104), ("web", 8080))}
    announce(told, said, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["pid"], printed["scp"], printed["web"]) == (
        os.getpid(),
        {"host": host, "port": 104},
        {"host": host, "port": 8080},
    )
    announce(told, said, as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"DICOM DICOM_NODE@{shown}:104, status page http://{shown}:8080/" in err
    assert readiness.read(told.run_home, "up") is not None


def up(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `up` to its end."""
    given = {f"DICOM_NODE_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "dicom_node.cli", "up"],
        env={**os.environ, "DICOM_NODE_DATA_HOME": str(home), **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_database_that_cannot_be_reached_is_one_clear_line(tmp_path: Path) -> None:
    ended = up(tmp_path, database_url="postgresql+psycopg://nobody@127.0.0.1:1/node?connect_timeout=2")
    assert ended.returncode == 1
    assert "dicom-node: the database cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.journey
def test_a_node_is_alone_on_its_data_and_leaves_no_process(tmp_path: Path) -> None:
    node = RunningNode(tmp_path)
    node.start()
    processes = node.processes()
    port = node.destination.port
    try:
        second = up(tmp_path / "data")
        assert second.returncode == 1
        assert f"another node (process {processes[0].pid}) runs on {tmp_path / 'data'}" in second.stderr
        assert not gone(processes)

        node.wait_until_replaced("scp", node.kill("scp"))
        assert node.destination.port == port, "a free port must not change when the SCP is started again"

        processes = node.processes()
        processes[0].kill()
        assert node.stop() == -signal.SIGKILL
        wait_until(lambda: gone(processes), 10, "every child to die with its parent")

        node.start()
        processes = node.processes()
        assert node.command("status")["ready"]
    finally:
        code = node.stop()
    assert code == 0
    assert gone(processes)
    assert readiness.read(tmp_path / "data" / "run", "up") is None
    told = [event["action"] for event in node.command("audit", "--actor", "supervisor")]
    assert told == ["node.stopped", "node.started", "node.started"]
