"""Ringing for the dispatcher, on the real socket and on a real PostgreSQL."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dicom_node.settings import Settings
from dicom_node.wakeup import (
    DatagramListener,
    DatagramRinger,
    Listener,
    NotifyRinger,
    Ringer,
    listener,
    ringer,
)
from tests.peers.postgres import Postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(params=["datagram", "notify"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of a node on SQLite, and of one on PostgreSQL."""
    if request.param == "datagram":
        return Settings(data_home=tmp_path / "node")
    return Settings(data_home=tmp_path / "node", database_url=request.getfixturevalue("postgres").url)


@pytest.fixture
def bell(node: Settings) -> Iterator[Ringer]:
    with closing(ringer(node)) as opened:
        yield opened


@pytest.fixture
def dispatcher(node: Settings) -> Iterator[Listener]:
    """A listener that is listening: on PostgreSQL its first wait connects, and says so."""
    with closing(listener(node)) as opened:
        opened.wait(0)
        yield opened


def wait_for_ring(dispatcher: Listener, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not dispatcher.wait(0.05):
        assert time.monotonic() < deadline, "nobody rang"


def test_a_ring_wakes_the_dispatcher(dispatcher: Listener, bell: Ringer) -> None:
    with ThreadPoolExecutor() as other:
        waiting = other.submit(dispatcher.wait, 10)
        bell.ring()
        assert waiting.result(timeout=5)


def test_a_ring_before_the_wait_is_not_lost(dispatcher: Listener, bell: Ringer) -> None:
    bell.ring()
    assert dispatcher.wait(5)


def test_without_a_ring_the_time_runs_out(dispatcher: Listener) -> None:
    began = time.monotonic()
    assert not dispatcher.wait(0.1)
    assert 0.09 < time.monotonic() - began < 5


def test_rings_that_piled_up_count_once(dispatcher: Listener, bell: Ringer) -> None:
    for _ in range(100):
        bell.ring()
    assert dispatcher.wait(5)
    while dispatcher.wait(0.2):  # NOTIFY goes its own way: some may come a little later
        pass
    assert not dispatcher.wait(0)


def test_many_ring_from_many_threads(dispatcher: Listener, bell: Ringer) -> None:
    with ThreadPoolExecutor(8) as others:
        list(others.map(lambda _: bell.ring(), range(200)))
    assert dispatcher.wait(5)


def test_a_ring_just_before_the_end_of_a_process_arrives(node: Settings, dispatcher: Listener) -> None:
    with closing(ringer(node)) as short_lived:
        short_lived.ring()
    assert dispatcher.wait(5)


def test_nobody_is_held_up(dispatcher: Listener, bell: Ringer) -> None:
    bell.ring()
    began = time.monotonic()
    for _ in range(100):
        bell.ring()
    assert (time.monotonic() - began) / 100 < 0.05


def test_a_ring_takes_little_time(
    dispatcher: Listener, bell: Ringer, record_property: Callable[[str, object], None]
) -> None:
    """The figure is reported; what is asserted is only that each of them came."""
    latencies_ms = []
    for _ in range(50):
        with ThreadPoolExecutor() as other:
            waiting = other.submit(lambda: (dispatcher.wait(10), time.perf_counter()))
            time.sleep(0.005)  # let it fall asleep: a ring that finds it awake would flatter
            rung = time.perf_counter()
            bell.ring()
            woken, at = waiting.result(timeout=15)
        assert woken
        latencies_ms.append((at - rung) * 1000)
    median = statistics.median(latencies_ms)
    record_property("median_ms", median)
    print(f"\n{type(bell).__name__}: median {median:.2f} ms, longest {max(latencies_ms):.2f} ms")


def test_ringing_for_nobody_is_no_error(node: Settings, bell: Ringer) -> None:
    bell.ring()


def test_a_socket_whose_listener_died_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "dispatcher.sock"
    dead = DatagramListener(path)
    dead._socket.close()
    with closing(DatagramRinger(path)) as bell:
        bell.ring()
    assert path.exists()


def test_the_next_dispatcher_takes_the_path_of_one_that_died(tmp_path: Path) -> None:
    path = tmp_path / "dispatcher.sock"
    dead = DatagramListener(path)
    with closing(DatagramListener(path)) as successor, closing(DatagramRinger(path)) as bell:
        dead.close()
        bell.ring()
        assert successor.wait(1)
    assert not path.exists()


def test_a_full_socket_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "dispatcher.sock"
    with closing(DatagramListener(path)) as busy, closing(DatagramRinger(path)) as bell:
        for _ in range(10_000):
            bell.ring()
        assert busy.wait(1)
        assert not busy.wait(0)


def test_below_a_deep_folder_both_ends_still_meet(tmp_path: Path) -> None:
    deep = Settings(data_home=tmp_path / "/".join(["a-rather-long-name"] * 8))
    with closing(listener(deep)) as dispatcher, closing(ringer(deep)) as bell:
        bell.ring()
        assert dispatcher.wait(1)


def test_a_database_that_restarts_is_listened_to_again(postgres: Postgres, tmp_path: Path) -> None:
    node = Settings(data_home=tmp_path, database_url=postgres.url)
    with closing(listener(node)) as dispatcher, closing(ringer(node)) as bell:
        dispatcher.wait(0)
        bell.ring()
        assert dispatcher.wait(5)

        postgres.restart_immediately()

        wait_for_ring(dispatcher, 15)  # the new connection: whatever was rung meanwhile is to be looked for
        bell.ring()
        wait_for_ring(dispatcher, 15)


def test_a_ring_while_the_database_is_down_comes_when_it_is_back(postgres: Postgres, tmp_path: Path) -> None:
    with closing(NotifyRinger(postgres.url)) as bell:
        postgres.stop_immediately()
        try:
            began = time.monotonic()
            bell.ring()
            assert time.monotonic() - began < 0.5  # to connect would take its two seconds
        finally:
            postgres.start()
        node = Settings(data_home=tmp_path, database_url=postgres.url)
        with closing(listener(node)) as dispatcher:
            dispatcher.wait(0)
            wait_for_ring(dispatcher, 15)


def test_a_ringer_of_a_database_that_is_down_ends_soon() -> None:
    bell = NotifyRinger("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    bell.ring()
    began = time.monotonic()
    bell.close()
    assert time.monotonic() - began < 3
    assert not [thread for thread in threading.enumerate() if thread.name == "notify-ringer"]
