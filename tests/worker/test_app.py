"""The Celery application: the names that the node rings are the names that workers know."""

import subprocess
import sys

from dicom_node.domain.job import Queue
from dicom_node.messaging import doorbell
from worker.app import TASKS, build_app


def test_every_task_name_of_messaging_is_registered_in_a_worker() -> None:
    rung = {getattr(doorbell, name) for name in vars(doorbell) if name.endswith("_TASK")}
    registered = {
        name
        for queue in Queue
        for name in build_app("redis+socket:///nowhere.sock", queue, lambda _job_id: None).tasks
    }

    assert rung == set(TASKS.values())
    assert rung <= registered


def test_a_worker_has_the_settings_of_the_node() -> None:
    app = build_app("redis://127.0.0.1:1/0", Queue.ANALYSIS, lambda _job_id: None)

    expected = doorbell.celery_settings("redis://127.0.0.1:1/0")
    assert {name: app.conf[name] for name in expected} == expected


def test_a_delivery_worker_loads_no_torch() -> None:
    code = "import sys, worker.process, worker.delivery_desk; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
