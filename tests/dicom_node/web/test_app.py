"""The status page's door: headers, probes, who is answered, and the process that serves it."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from dicom_node import readiness
from dicom_node.database.migrate import newest_revision
from dicom_node.resources import Resources
from dicom_node.supervisor.node import environment_of
from dicom_node.web.health import node_status
from tests.dicom_node.web.served import served
from tests.peers.broker import Broker
from tests.synthetic.stories import CXR, PACS, finish, request_analyses, start

ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def client(resources: Resources) -> Iterator[httpx.Client]:
    with served(resources) as address, httpx.Client(base_url=address) as client:
        yield client


@ON_SQLITE
@pytest.mark.parametrize(
    "path", ["/", "/api/status", "/healthz", "/readyz", "/static/status.css", "/nowhere"]
)
def test_every_answer_carries_the_headers_that_narrow_it(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


@ON_SQLITE
@pytest.mark.parametrize(
    "name", ["attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example"]
)
def test_a_foreign_host_name_is_not_answered(client: httpx.Client, name: str) -> None:
    answer = client.get("/api/status", headers={"Host": name})
    assert (answer.status_code, answer.text) == (421, "this node has another name")


@ON_SQLITE
@pytest.mark.parametrize("name", ["localhost:8080", "127.0.0.1", "[::1]:8080", "10.1.2.3:80", "LOCALHOST"])
def test_an_address_and_our_own_name_are_answered(client: httpx.Client, name: str) -> None:
    assert client.get("/healthz", headers={"Host": name}).status_code == 200


@ON_SQLITE
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/api/status", "/readyz"])
def test_nothing_can_be_changed_through_the_page(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 405


@ON_SQLITE
@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/static/../app.py", "/static/..%2fapp.py"])
def test_there_is_nothing_else(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_api_says_what_the_command_line_says(client: httpx.Client, resources: Resources) -> None:
    request_analyses(resources.database, CXR)
    finish(resources.database, start(resources.database), destinations=(PACS,))
    said = client.get("/api/status").json()
    assert said == node_status(resources).as_json()
    assert said["studies"] == {"RECEIVING": 0, "COMPLETE": 1, "DONE": 0, "AMENDED": 0}
    assert said["jobs"]["analysis"]["DONE"] == 1
    assert said["jobs"]["delivery"]["READY"] == 1
    assert said["checks"] == {"database": True, "schema": True, "broker": False}
    assert not said["ready"]


def test_the_process_is_alive_even_without_a_broker(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "checks": {"database": True, "schema": True, "broker": False}}


def test_the_node_is_ready_when_everything_answers(client: httpx.Client, resources: Resources) -> None:
    with Broker(resources.settings):
        assert client.get("/readyz").status_code == 200
        assert not node_status(resources).ready
        for name in ("scp", "dispatcher", "analysis-0", "delivery-0", "web"):
            readiness.announce(resources.settings.run_home, name)
        status = node_status(resources)
        assert status.ready
        assert "NOT READY" not in "\n".join(status.lines())


def test_a_database_of_another_schema_is_said(client: httpx.Client, resources: Resources) -> None:
    with resources.database.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'another'"))
    try:
        assert client.get("/readyz").json()["checks"] == {"database": True, "schema": False, "broker": False}
        assert "nothing can be listed" in client.get("/").text
    finally:
        with resources.database.begin() as session:
            newest = {"newest": newest_revision()}
            session.execute(sa.text("UPDATE alembic_version SET version_num = :newest"), newest)


@ON_SQLITE
def test_a_database_that_is_gone_is_said_without_a_traceback(
    client: httpx.Client, resources: Resources
) -> None:
    resources.database.close()
    path = Path(str(resources.database.url.database))
    for left in path.parent.glob("node.sqlite*"):
        left.unlink()
    path.mkdir()
    assert client.get("/readyz").json()["checks"]["database"] is False
    answer = client.get("/")
    assert answer.status_code == 200
    assert "fails" in answer.text
    assert "Traceback" not in answer.text


@ON_SQLITE
def test_the_process_announces_its_free_port_and_ends_when_told(resources: Resources) -> None:
    home = resources.settings.run_home
    process = subprocess.Popen(
        [sys.executable, "-m", "dicom_node.cli", "web"], env=environment_of(resources.settings)
    )
    try:
        until = time.monotonic() + 30
        while (said := readiness.read(home, "web")) is None:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        assert said.pid == process.pid
        answer = httpx.get(f"http://127.0.0.1:{said.port}/healthz")
        assert answer.json() == {"alive": True}
        assert "server" not in answer.headers
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=10) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()


@ON_SQLITE
def test_a_page_for_every_address_answers_to_every_name(resources: Resources) -> None:
    told = resources.settings.model_copy(update={"web_host": "0.0.0.0"})
    with served(dataclasses.replace(resources, settings=told)) as address:
        answer = httpx.get(f"{address}/healthz", headers={"Host": "status.hospital.example"})
    assert answer.status_code == 200
