"""The doorbell: the measured settings, a ring that a real worker hears, dead brokers that hold nobody up."""

import socket
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import Queue
from dicom_node.errors import BrokerUnavailable
from dicom_node.messaging.doorbell import Doorbell, celery_settings, publisher_settings
from dicom_node.settings import Settings
from tests.peers.broker import Broker

# Measured under kills of worker, broker, database, receiver (docs/decisions/0002): measure before a change.
MEASURED = {
    "task_ignore_result": True,
    "result_backend": None,
    "task_acks_late": False,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "task_publish_retry": False,
    "broker_transport_options": {
        "max_retries": 2,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.2,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "visibility_timeout": 3600,
        "global_keyprefix": "node:",
    },
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_channel_error_retry": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_soft_shutdown_timeout": 30,
    "worker_enable_soft_shutdown_on_idle": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "worker_enable_remote_control": False,
}
WORKER = """
    import sys
    from dicom_node.domain.job import Queue
    from worker.app import build_app, listen

    def note(job_id):
        with open(sys.argv[2], "a") as heard:
            heard.write(f"{job_id}\\n")

    listen(build_app(sys.argv[1], Queue.ANALYSIS, note), Queue.ANALYSIS, slot="heard", concurrency=1)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(Settings(data_home=tmp_path)) as running:
        yield running


@pytest.fixture
def doorbell(broker: Broker) -> Iterator[Doorbell]:
    with closing(Doorbell(broker.url)) as opened:
        yield opened


def new_job() -> JobId:
    return JobId(uuid.uuid4())


def assert_refused_soon(doorbell: Doorbell) -> None:
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        doorbell.ring(Queue.ANALYSIS, new_job())
    assert time.monotonic() - began < 2


def waiting_rings(broker: Broker, queue: Queue) -> int:
    with broker.client() as client:
        return int(client.llen(f"node:{queue.value}"))


def test_the_settings_are_those_that_were_measured() -> None:
    assert {name: celery_settings("redis://")[name] for name in MEASURED} == MEASURED


def test_the_ringing_end_differs_in_its_patience_alone() -> None:
    ours, theirs = publisher_settings("redis://"), celery_settings("redis://")
    options = ours.pop("broker_transport_options"), theirs.pop("broker_transport_options")
    assert {name for name in ours if ours[name] != theirs[name]} == {"broker_connection_timeout"}
    assert {name for name in options[0] if options[0][name] != options[1][name]} == {
        "socket_connect_timeout",
        "socket_timeout",
    }


def test_a_ring_waits_in_its_own_queue(broker: Broker, doorbell: Doorbell) -> None:
    doorbell.ring(Queue.DELIVERY, new_job())
    assert waiting_rings(broker, Queue.DELIVERY) == 1
    assert waiting_rings(broker, Queue.ANALYSIS) == 0


def test_rings_that_nobody_took_are_counted(broker: Broker, doorbell: Doorbell) -> None:
    assert doorbell.unheard(Queue.DELIVERY) == 0
    for _ in range(3):
        doorbell.ring(Queue.DELIVERY, new_job())
    assert [doorbell.unheard(queue) for queue in (Queue.DELIVERY, Queue.ANALYSIS)] == [3, 0]
    with broker.client() as client:
        client.flushall()
    assert doorbell.unheard(Queue.DELIVERY) == 0
    broker.kill()
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            doorbell.unheard(Queue.DELIVERY)
        assert_refused_soon(doorbell)
    broker.start()
    doorbell.ring(Queue.DELIVERY, new_job())
    assert doorbell.unheard(Queue.DELIVERY) == 1


def test_a_ring_carries_the_id_of_a_job_and_nothing_else(broker: Broker, doorbell: Doorbell) -> None:
    job_id = new_job()
    doorbell.ring(Queue.ANALYSIS, job_id)
    with broker.client() as client:
        (message,) = client.lrange("node:analysis", 0, -1)
    assert len(message) < 2000
    assert str(job_id).encode() in message.replace(b"\\", b"")


def test_a_real_worker_hears_the_ring(broker: Broker, doorbell: Doorbell, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    job_ids = [new_job() for _ in range(5)]
    with ExitStack() as ending:
        worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(WORKER), broker.url, str(heard)])
        ending.callback(worker.wait)
        ending.callback(worker.terminate)
        for job_id in job_ids:
            doorbell.ring(Queue.ANALYSIS, job_id)
        deadline = time.monotonic() + 60
        while not heard.exists() or len(heard.read_text().split()) < len(job_ids):
            assert worker.poll() is None
            assert time.monotonic() < deadline, "the worker heard nothing"
            time.sleep(0.02)
    assert heard.read_text().split() == [str(job_id) for job_id in job_ids]
    assert worker.returncode == 0


def test_a_broker_that_was_never_there_is_unavailable(tmp_path: Path) -> None:
    with closing(Doorbell(f"redis+socket://{tmp_path}/nobody.sock")) as doorbell:
        assert_refused_soon(doorbell)


def test_a_broker_that_was_killed_is_unavailable_until_it_is_back(broker: Broker, doorbell: Doorbell) -> None:
    doorbell.ring(Queue.ANALYSIS, new_job())
    broker.kill()
    assert_refused_soon(doorbell)
    assert_refused_soon(doorbell)
    broker.start()
    doorbell.ring(Queue.ANALYSIS, new_job())
    assert waiting_rings(broker, Queue.ANALYSIS) == 1


def test_a_broker_that_is_frozen_holds_nobody_up(broker: Broker, doorbell: Doorbell) -> None:
    doorbell.ring(Queue.ANALYSIS, new_job())
    broker.freeze()
    assert_refused_soon(doorbell)


def test_a_port_that_answers_nothing_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with closing(Doorbell(f"redis://127.0.0.1:{port}/0")) as doorbell:
            assert_refused_soon(doorbell)
