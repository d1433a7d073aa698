"""A job that is done stays ours; a process that is stuck in one is ended."""

import pickle
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_node.database.tables import jobs
from dicom_node.domain.job import Lease
from dicom_node.errors import OutOfResources
from dicom_node.resources import Resources
from tests.synthetic import stories
from worker.lease_keeper import STUCK_EXIT_CODE, kept_alive

SHORT = timedelta(seconds=0.3)
_STUCK = """
import pickle, sys, time
from datetime import timedelta
from dicom_node.resources import open_resources
from worker import lease_keeper

lease_keeper.HARD_LIMIT = timedelta(seconds=0.5)
settings, held = pickle.load(sys.stdin.buffer)
with lease_keeper.kept_alive(open_resources(settings), held):
    time.sleep(30)
"""


@pytest.fixture
def impatient(resources: Resources) -> Resources:
    settings = resources.settings.model_copy(update={"lease": SHORT})
    return Resources(settings, resources.database, resources.archive, resources.dispatcher_bell)


def held_now(resources: Resources) -> Lease:
    stories.request_analyses(resources.database, stories.CXR)
    with resources.database.read() as session:
        now = resources.database.now(session)
    return stories.start(resources.database, now=now)


def lease_of(resources: Resources) -> datetime:
    with resources.database.read() as session:
        until: datetime = session.execute(sa.select(jobs.c.lease_until)).scalar_one()
    return until


def test_a_lease_is_renewed_while_the_job_is_done(impatient: Resources) -> None:
    held = held_now(impatient)
    deadline = time.monotonic() + 10
    seen = [held.lease_until]

    with kept_alive(impatient, held):
        while len(seen) < 4:
            assert time.monotonic() < deadline
            if lease_of(impatient) != seen[-1]:
                seen.append(lease_of(impatient))

    renewed = seen[1:]
    assert renewed == sorted(renewed)


@pytest.mark.parametrize("token", ["held", "lost"])
def test_a_stuck_process_is_ended_whether_or_not_it_still_holds_the_lease(
    impatient: Resources, token: str
) -> None:
    held = held_now(impatient)
    if token == "lost":
        held = replace(held, token=uuid.uuid4())

    ended = subprocess.run(
        [sys.executable, "-c", _STUCK],
        input=pickle.dumps((impatient.settings, held)),
        cwd=Path(__file__).parents[2],
        timeout=25,
        check=False,
    )

    assert ended.returncode == STUCK_EXIT_CODE


def test_a_job_that_could_not_be_settled_goes_back_when_the_database_is_there(resources: Resources) -> None:
    held = held_now(resources)

    with pytest.raises(OutOfResources), kept_alive(resources, held):
        raise OutOfResources("database unavailable")

    with resources.database.read() as session:
        row = session.execute(sa.select(jobs.c.state, jobs.c.error, jobs.c.lost_leases)).one()
    assert row.state == "READY"
    assert (row.error, row.lost_leases) == ("the database was away", 0)


def test_a_job_that_another_worker_has_by_now_is_not_given_back(resources: Resources) -> None:
    held = held_now(resources)

    with pytest.raises(OutOfResources), kept_alive(resources, replace(held, token=uuid.uuid4())):
        raise OutOfResources("database unavailable")

    with resources.database.read() as session:
        assert session.execute(sa.select(jobs.c.state)).scalar_one() == "RUNNING"
