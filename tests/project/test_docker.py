"""No engine builds the images here, so what can be judged without one is: lint, schema, names and secrets."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dicom_node import readiness
from dicom_node.settings import Settings
from scripts.reference import commands

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
TOOLS = Path(sys.executable).parent


def run_tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / name, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_there_is_an_image_for_the_node_and_one_for_the_worker() -> None:
    assert [path.name for path in DOCKERFILES] == ["node.Dockerfile", "worker.Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    verdict = run_tool("hadolint", "--no-color", dockerfile)
    assert (verdict.returncode, verdict.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM python\nRUN pip install torch\n")
    assert "DL3006" in run_tool("hadolint", "--no-color", careless).stdout


def test_the_compose_file_fits_the_compose_specification() -> None:
    verdict = run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize("path", [COMPOSE, *DOCKERFILES], ids=lambda path: path.name)
def test_every_setting_that_docker_gives_exists(path: Path) -> None:
    known = {f"DICOM_NODE_{field.upper()}" for field in Settings.model_fields}
    given = set(re.findall(r"\bDICOM_NODE_[A-Z_]+\b", path.read_text()))
    assert given
    assert given <= known


def test_the_composed_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for name, value in services["node"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    settings = Settings()
    assert settings.destinations == ("ORTHANC@orthanc:4242",)
    assert settings.scp_port == 11112


def test_the_node_image_is_built_without_the_worker_extra() -> None:
    instructions = (DOCKER / "node.Dockerfile").read_text()
    installs = re.findall(r"^RUN .*pip install.*$", instructions, re.MULTILINE)
    assert len(installs) == 1
    assert installs[0].endswith(" .")
    assert "[worker]" in (DOCKER / "worker.Dockerfile").read_text()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_special_and_checks_its_health(dockerfile: Path) -> None:
    instructions = [line.split(" ", 1) for line in dockerfile.read_text().splitlines() if line[:1].isupper()]
    assert ["USER", "10001"] in instructions
    assert sum(name == "HEALTHCHECK" for name, _ in instructions) == 1


def test_a_container_is_healthy_while_its_process_is_ready_and_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_DATA_HOME", str(tmp_path))
    run_home = Settings().run_home
    run_home.mkdir()
    assert not is_healthy()
    readiness.announce(run_home, "dispatcher")
    assert is_healthy()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=30)
    (run_home / "dispatcher.ready.json").write_text(
        json.dumps({"process": "dispatcher", "pid": ended.pid, "port": None})
    )
    assert not is_healthy()


def is_healthy() -> bool:
    check = subprocess.run([sys.executable, DOCKER / "healthy.py"], capture_output=True, check=False)
    assert check.stderr == b""
    return check.returncode == 0


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_what_an_image_copies_is_in_the_checkout_and_in_the_build_context(dockerfile: Path) -> None:
    context = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in dockerfile.read_text().splitlines()
        if line.startswith("COPY ") and "--from=" not in line
        for source in line.split()[1:-1]
    }
    assert copied
    assert copied <= context
    assert all((ROOT / source).exists() for source in copied)


def test_no_secret_has_a_default() -> None:
    variables = re.findall(r"\$\{(\w*PASSWORD\w*)(.*?)\}", COMPOSE.read_text())
    assert {name for name, _ in variables} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "ORTHANC_PASSWORD"}
    assert all(rest.startswith(":?") for _, rest in variables)
    assert re.findall(r"^\w*PASSWORD=(.+)$", (DOCKER / "example.env").read_text(), re.MULTILINE) == []


def test_every_published_port_is_on_loopback() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_composed_command_line_is_understood() -> None:
    known = {tuple(words.split()[1:]): command for words, command in commands()}
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    lines = [
        service["command"] for service in services.values() if "image" in service and "command" in service
    ]
    ours = [line for line in lines if not line[0].startswith("redis")]
    assert len(ours) == 6
    for line in ours:
        words = next(words for words in known if tuple(line[: len(words)]) == words)
        known[words].make_context(" ".join(words), line[len(words) :])
