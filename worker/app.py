"""The Celery application: which tasks there are, and how a worker process listens."""

from collections.abc import Callable
from uuid import UUID

from celery import Celery

from dicom_node.domain.job import Queue
from dicom_node.messaging.doorbell import ANALYZE_TASK, DELIVER_TASK, celery_settings

TASKS = {Queue.ANALYSIS: ANALYZE_TASK, Queue.DELIVERY: DELIVER_TASK}


def build_app(broker_url: str, queue: Queue, do: Callable[[UUID], None]) -> Celery:
    """Return an application with the one task of the queue; the task only hands the id on."""
    app = Celery("dicom-node")
    app.conf.update(celery_settings(broker_url))

    @app.task(name=TASKS[queue])
    def do_job(job_id: str) -> None:
        do(UUID(job_id))

    return app


def listen(app: Celery, queue: Queue, *, slot: str, concurrency: int) -> None:
    """Serve the queue until the process is told to stop; threads, never a fork after torch has started."""
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=threads",
            f"--concurrency={concurrency}",
            f"--queues={queue.value}",
            f"--hostname={slot}@%h",
            "--loglevel=WARNING",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--disable-prefetch",
        ]
    )
