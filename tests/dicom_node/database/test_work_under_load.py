"""Many processes at work on a few studies at once: nothing is lost, done twice, or waits for ever."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import analyses, audit_trail, completion, deliveries, delivery_steps, jobs, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.database.tables import jobs as jobs_table
from dicom_node.domain.audit import Action
from dicom_node.domain.delivery import DeliveryState, Order
from dicom_node.domain.finding import AnalysisState
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import JobState, Lease, Queue
from dicom_node.domain.study import StudyState
from tests.synthetic.stories import (
    BACKUP,
    CT,
    CXR,
    PACS,
    QUIET,
    SECOND,
    header,
    reading,
    receive,
    register,
    study_uid,
)

STUDIES = 8
MODELS = (CXR, CT)
DESTINATIONS = (PACS, BACKUP)
ORDERS = tuple(Order(destination=name) for name in DESTINATIONS)
JOBS = STUDIES * len(MODELS) * (1 + len(DESTINATIONS))


class Node:
    """What the processes of a node do, each as a thread with transactions of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.finished = threading.Event()

    def send(self, number: int) -> None:
        database, association = self.database, f"association-{number}"
        for one in range(3):
            with database.begin() as session:
                now = database.now(session)
                receive(session, header(study_uid(number), one), association=association, now=now)
        with database.begin() as session:
            completion.record_release(session, association, quiet=QUIET, now=database.now(session))

    def dispatch(self) -> None:
        while not self.finished.is_set():
            with self.database.begin() as session:
                self.complete(session, self.database.now(session))
            for queue in Queue:
                with self.database.begin() as session:
                    jobs.mark_queued(session, queue, window=6, now=self.database.now(session))
            with self.database.begin() as session:
                now = self.database.now(session)
                jobs.reap(session, ring_timeout=0.2 * SECOND, maximum_attempts=5, now=now)
                counts = jobs.counts(session)
            if sum(number for (_, state), number in counts.items() if state is JobState.DONE) == JOBS:
                self.finished.set()

    def complete(self, session: Session, now: datetime) -> None:
        due = completion.due_studies(session, now=now + SECOND, limit=2)
        for uid in completion.lock_due(session, due, now=now + SECOND):
            completion.complete_study(session, uid, now=now)
            for model in MODELS:
                analyses.request_analysis(session, uid, model, priority=5, now=now)

    def work(self, number: int) -> None:
        dice = random.Random(number)
        while not self.finished.is_set():
            with self.database.read() as session:
                rung = session.execute(
                    sa.select(jobs_table.c.id).where(jobs_table.c.state == JobState.QUEUED.value)
                )
                job_ids = [JobId(found) for found in rung.scalars()]
            held = self.take_up(dice.choice(job_ids), f"slot-{number}") if job_ids else None
            if held is None:
                self.finished.wait(0.005)
                continue
            with self.database.begin() as session:
                now = self.database.now(session)
                if dice.random() < 0.2:
                    self.postpone(session, held, now)
                else:
                    self.settle(session, held, now, priority=dice.randint(2, 5))

    def take_up(self, job_id: JobId, owner: str) -> Lease | None:
        with self.database.begin() as session:
            now = self.database.now(session)
            held = jobs.claim(session, job_id, owner=owner, lease=timedelta(seconds=30), now=now)
            if held is not None and held.queue is Queue.ANALYSIS:
                analyses.start_analysis(session, held, actor=owner, now=now)
            elif held is not None:
                delivery_steps.start_delivery(session, held, actor=owner, now=now)
        return held

    def postpone(self, session: Session, held: Lease, now: datetime) -> None:
        if held.queue is Queue.ANALYSIS:
            analyses.postpone_analysis(session, held, not_before=now, error="again", now=now)
        else:
            delivery_steps.postpone_delivery(
                session, held, not_before=now, answer="again", actor="w", now=now
            )

    def settle(self, session: Session, held: Lease, now: datetime, *, priority: int) -> None:
        if held.queue is Queue.ANALYSIS:
            result = reading(held, priority=priority)
            analyses.complete_analysis(
                session,
                held,
                result,
                destinations=ORDERS,
                actor="worker",
                now=now,
            )
        else:
            delivery_steps.settle_delivered(session, held, answer="accepted", actor="worker", now=now)


def test_everything_at_once_ends_with_every_study_done_once(database: Database) -> None:
    """Eight senders, two dispatchers that reap, four workers that give up one job in five."""
    register(database, *MODELS)
    node = Node(database)
    with ThreadPoolExecutor(14) as threads:
        running = [threads.submit(node.send, number) for number in range(1, STUDIES + 1)]
        running += [threads.submit(node.dispatch) for _ in range(2)]
        running += [threads.submit(node.work, number) for number in range(4)]
        try:
            for one in running:
                one.result(timeout=120)
        finally:
            node.finished.set()
    with database.read() as session:
        uids = [study_uid(number) for number in range(1, STUDIES + 1)]
        read = analyses.analyses_of(session, uids)
        sent = deliveries.deliveries_of(session, {analysis.study_instance_uid for analysis in read})
        states = Counter(found.state for uid in uids if (found := studies.find_study(session, uid)))
        done = audit_trail.search(session, AuditQuery(actions=(Action.STUDY_DONE,), limit=1000))
    assert Counter(analysis.state for analysis in read) == {AnalysisState.COMPLETED: 2 * STUDIES}
    assert Counter(delivery.state for delivery in sent) == {DeliveryState.DELIVERED: 4 * STUDIES}
    assert states == {StudyState.DONE: STUDIES}
    assert Counter(one.event.study_instance_uid for one in done) == dict.fromkeys(uids, 1)
