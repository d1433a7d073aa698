"""The dispatcher on a real database, a real broker and a real bell."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from dicom_node import readiness
from dicom_node.database import analyses, audit_trail, completion, deliveries, jobs, migrate, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.tables import jobs as job_table
from dicom_node.dispatcher import Dispatcher, turn_until
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.finding import AnalysisState
from dicom_node.domain.identifiers import JobId, StudyInstanceUID
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.study import StudyState
from dicom_node.errors import OutOfResources
from dicom_node.messaging.doorbell import Doorbell
from dicom_node.resources import Resources, open_resources
from dicom_node.settings import Settings
from dicom_node.wakeup import listener
from tests.peers.broker import Broker
from tests.peers.postgres import Postgres
from tests.synthetic.stories import (
    CXR,
    PACS,
    SECOND,
    deliver,
    header,
    receive,
    register,
    request_analyses,
    start,
    study_uid,
)


@pytest.fixture
def broker(resources: Resources) -> Iterator[Broker]:
    with Broker(resources.settings) as running:
        yield running


@pytest.fixture
def dispatcher(resources: Resources, broker: Broker) -> Iterator[Dispatcher]:
    with closing(Doorbell(broker.url)) as doorbell:
        yield Dispatcher(resources, doorbell)


@contextmanager
def running(resources: Resources, doorbell: Doorbell) -> Iterator[None]:
    """A dispatcher that takes its turns in a thread, woken by its own bell."""
    stopping = threading.Event()
    with closing(listener(resources.settings)) as bell:
        thread = threading.Thread(target=turn_until, args=(stopping, Dispatcher(resources, doorbell), bell))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            resources.dispatcher_bell.ring()
            thread.join(10)


def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {within_s} s"
        time.sleep(0.005)


def send(resources: Resources, number: int = 1, *, released: bool = True, **changes: str) -> StudyInstanceUID:
    """A study that comes now, and whose association is released at once."""
    uid, association = study_uid(number), f"association-{number}"
    with resources.database.begin() as session:
        now = resources.database.now(session)
        receive(session, header(uid, **changes), association=association, now=now)
        if released:
            completion.record_release(session, association, quiet=resources.quiet_periods, now=now)
    resources.dispatcher_bell.ring()
    return uid


def send_overdue(resources: Resources, *numbers: int, **changes: str) -> list[StudyInstanceUID]:
    """Studies that have been due for a minute."""
    uids = []
    for number in numbers:
        uid = study_uid(number)
        with resources.database.begin() as session:
            then = resources.database.now(session) - 60 * SECOND
            receive(session, header(uid, **changes), association=f"association-{number}", now=then)
        uids.append(uid)
    return uids


def state_of(resources: Resources, uid: StudyInstanceUID) -> StudyState:
    with resources.database.read() as session:
        found = studies.find_study(session, uid)
    assert found is not None
    return found.state


def rung(broker: Broker, queue: Queue) -> int:
    with broker.client() as client:
        return int(client.llen(f"node:{queue.value}"))


def count(resources: Resources, queue: Queue, state: JobState) -> int:
    with resources.database.read() as session:
        return jobs.counts(session).get((queue, state), 0)


def said(resources: Resources, action: Action) -> int:
    with resources.database.read() as session:
        return len(audit_trail.search(session, AuditQuery(actions=(action,), limit=1000)))


def test_a_released_film_is_complete_and_rung_for(resources: Resources, broker: Broker) -> None:
    register(resources.database, CXR)
    with closing(Doorbell(broker.url)) as doorbell, running(resources, doorbell):
        uid = send(resources)
        eventually(lambda: rung(broker, Queue.ANALYSIS) == 1)
    assert state_of(resources, uid) is StudyState.COMPLETE
    assert count(resources, Queue.ANALYSIS, JobState.QUEUED) == 1


def test_nothing_due_means_a_wait_to_the_next_reaping_at_most(dispatcher: Dispatcher) -> None:
    assert 0.5 < dispatcher.turn() <= 1.0


def test_the_wait_ends_when_the_next_study_is_due(resources: Resources, dispatcher: Dispatcher) -> None:
    register(resources.database, CXR)
    dispatcher.turn()
    send(resources)
    assert 0.0 < dispatcher.turn() <= 0.3


def test_the_wait_ends_when_a_postponed_job_is_due(resources: Resources, dispatcher: Dispatcher) -> None:
    register(resources.database, CXR)
    send_overdue(resources, 1)
    dispatcher.turn()
    with resources.database.begin() as session:
        now = resources.database.now(session)
        (job_id,) = _ids(resources, Queue.ANALYSIS)
        held = jobs.claim(session, job_id, owner="slot", lease=60 * SECOND, now=now)
        assert held is not None
        jobs.give_back(session, held, not_before=now + 0.2 * SECOND, error="again", now=now)
    assert 0.0 < dispatcher.turn() <= 0.2


def _ids(resources: Resources, queue: Queue) -> list[JobId]:
    with resources.database.read() as session:
        found = audit_trail.search(session, AuditQuery(actions=(Action.JOB_QUEUED,)))
    of_queue = [one.event.subject for one in found if one.event.detail["queue"] == queue.value]
    return [JobId(UUID(job_id)) for job_id in of_queue]


def test_before_a_model_is_registered_studies_wait_and_it_is_said_once(
    resources: Resources, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    (uid,) = send_overdue(resources, 1)
    waits = [dispatcher.turn() for _ in range(3)]
    assert min(waits) > 0.1, "no busy loop"
    assert state_of(resources, uid) is StudyState.RECEIVING
    assert caplog.text.count("no model is registered yet") == 1
    register(resources.database, CXR)
    dispatcher.turn()
    assert state_of(resources, uid) is StudyState.COMPLETE


def test_no_more_jobs_are_rung_for_than_the_window(resources: Resources, broker: Broker) -> None:
    settings = resources.settings.model_copy(update={"dispatch_window": 2})
    narrow = open_resources(settings)
    register(resources.database, CXR)
    send_overdue(resources, 1, 2, 3)
    with closing(Doorbell(broker.url)) as doorbell:
        dispatcher = Dispatcher(narrow, doorbell)
        dispatcher.turn()
        assert rung(broker, Queue.ANALYSIS) == 2
        assert dispatcher.turn() > 0.01, "a full window is no busy loop"
        with resources.database.begin() as session:
            now = resources.database.now(session)
            jobs.claim(session, _ids(resources, Queue.ANALYSIS)[0], owner="slot", lease=60 * SECOND, now=now)
        dispatcher.turn()
        assert rung(broker, Queue.ANALYSIS) == 3
    narrow.close()


def test_a_ring_that_was_lost_is_rung_again(resources: Resources, broker: Broker) -> None:
    settings = resources.settings.model_copy(update={"ring_timeout": timedelta(seconds=0.1)})
    impatient = open_resources(settings)
    register(resources.database, CXR)
    send_overdue(resources, 1)
    with closing(Doorbell(broker.url)) as doorbell, running(impatient, doorbell):
        eventually(lambda: rung(broker, Queue.ANALYSIS) == 1)
        with broker.client() as client:
            client.flushall()
        eventually(lambda: rung(broker, Queue.ANALYSIS) >= 1)
    impatient.close()
    assert said(resources, Action.JOB_REAPED) >= 1


def test_rings_that_the_broker_forgot_are_rung_again_within_seconds(
    resources: Resources, broker: Broker
) -> None:
    register(resources.database, CXR)
    send_overdue(resources, 1, 2)
    with closing(Doorbell(broker.url)) as doorbell, running(resources, doorbell):
        eventually(lambda: rung(broker, Queue.ANALYSIS) == 2)
        with broker.client() as client:
            client.lpop("node:analysis")  # a worker took it and died before it claimed the job
        eventually(lambda: said(resources, Action.JOB_REAPED) == 2, within_s=5)
        eventually(lambda: rung(broker, Queue.ANALYSIS) == 3)


def test_rings_that_lie_at_the_broker_are_not_repeated(resources: Resources, broker: Broker) -> None:
    register(resources.database, CXR)
    send_overdue(resources, 1)
    with closing(Doorbell(broker.url)) as doorbell:
        dispatcher = Dispatcher(resources, doorbell)
        dispatcher.turn()
        with resources.database.begin() as session:
            long_ago = resources.database.now(session) - 10 * SECOND
            session.execute(sa.update(job_table).values(queued_at=long_ago))
        eventually(lambda: dispatcher.turn() > 0.9)  # it has reaped
        assert rung(broker, Queue.ANALYSIS) == 1
    assert said(resources, Action.JOB_REAPED) == 0


def test_while_the_broker_is_away_jobs_stay_ready_and_are_rung_when_it_is_back(
    resources: Resources, broker: Broker
) -> None:
    register(resources.database, CXR)
    broker.kill()
    with closing(Doorbell(broker.url)) as doorbell, running(resources, doorbell):
        send_overdue(resources, 1, 2, 3)
        resources.dispatcher_bell.ring()
        eventually(lambda: said(resources, Action.JOB_REAPED) >= 3)
        eventually(lambda: count(resources, Queue.ANALYSIS, JobState.READY) == 3)
        broker.start()
        eventually(lambda: rung(broker, Queue.ANALYSIS) == 3)


def test_a_job_whose_worker_is_lost_each_time_fails_its_analysis(
    resources: Resources, broker: Broker
) -> None:
    settings = resources.settings.model_copy(update={"maximum_attempts": 1})
    strict = open_resources(settings)
    register(resources.database, CXR)
    uid = study_uid(1)
    request_analyses(resources.database, CXR)
    start(resources.database)  # at noon of a day long gone: the lease is over
    with closing(Doorbell(broker.url)) as doorbell:
        Dispatcher(strict, doorbell).turn()
    strict.close()
    with resources.database.read() as session:
        (analysis,) = analyses.analyses_of(session, [uid])
    assert analysis.state is AnalysisState.FAILED
    assert analysis.reason.startswith("given up")
    assert state_of(resources, uid) is StudyState.DONE


def test_a_delivery_whose_worker_is_always_lost_is_exhausted(resources: Resources, broker: Broker) -> None:
    settings = resources.settings.model_copy(update={"maximum_attempts": 1})
    strict = open_resources(settings)
    (held,) = deliver(resources.database, PACS)
    with closing(Doorbell(broker.url)) as doorbell:
        Dispatcher(strict, doorbell).turn()
    strict.close()
    with resources.database.read() as session:
        delivery = deliveries.find_delivery(session, held.subject_id)
    assert delivery.state is DeliveryState.EXHAUSTED


def test_two_dispatchers_close_each_study_once_and_ring_once_for_each_job(
    resources: Resources, broker: Broker
) -> None:
    wide = open_resources(resources.settings.model_copy(update={"dispatch_window": 100}))
    register(resources.database, CXR)
    send_overdue(resources, *range(1, 31))
    barrier = threading.Barrier(3)

    def work() -> None:
        with closing(Doorbell(broker.url)) as doorbell:
            dispatcher = Dispatcher(wide, doorbell)
            barrier.wait()
            for _ in range(5):
                dispatcher.turn()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said(resources, Action.STUDY_COMPLETED) == 30
    assert count(resources, Queue.ANALYSIS, JobState.QUEUED) == 30
    assert rung(broker, Queue.ANALYSIS) == 30
    wide.close()


def test_a_database_that_restarts_is_waited_for(settings: Settings) -> None:
    with Postgres() as server, server.new_database() as url:
        migrate.upgrade(url)
        resources = open_resources(settings.model_copy(update={"database_url": url}))
        register(resources.database, CXR)
        with ExitStack() as stack:
            broker = stack.enter_context(Broker(resources.settings))
            stack.enter_context(running(resources, stack.enter_context(closing(Doorbell(broker.url)))))
            send(resources, 1)
            eventually(lambda: rung(broker, Queue.ANALYSIS) == 1)
            server.restart_immediately()
            eventually(lambda: _sent(resources))
            eventually(lambda: rung(broker, Queue.ANALYSIS) == 2)
        resources.close()


def _sent(resources: Resources) -> bool:
    try:
        send(resources, 2)
    except OutOfResources:
        return False
    return True


@pytest.mark.parametrize(("command", "process"), [("dispatch", "dispatcher"), ("serve", "scp")])
def test_the_process_announces_itself_and_ends_cleanly_on_sigterm(
    settings: Settings, sqlite_template: Path, command: str, process: str
) -> None:
    settings.data_home.mkdir(parents=True)
    shutil.copy(sqlite_template, settings.data_home / "node.sqlite")
    environment = {
        **os.environ,
        "DICOM_NODE_DATA_HOME": str(settings.data_home),
        "DICOM_NODE_SCP_PORT": "0",
        "DICOM_NODE_MINIMUM_FREE_SPACE_MB": "0",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "dicom_node.cli", command], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: readiness.read(settings.run_home, process) is not None, within_s=30)
        said_by = readiness.read(settings.run_home, process)
        assert said_by is not None
        assert said_by.pid == child.pid
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=15)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, errors
    assert "Traceback" not in errors
    assert readiness.read(settings.run_home, process) is None
    resources = open_resources(settings)
    assert said(resources, Action.NODE_STARTED) == (1 if process == "scp" else 0)
    assert said(resources, Action.NODE_STOPPED) == (1 if process == "scp" else 0)
    resources.close()
