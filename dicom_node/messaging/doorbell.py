"""The only words that node and worker share: queue names, task names, and a ring that carries a job's id."""

from typing import Any

import kombu
from celery import Celery
from kombu.exceptions import OperationalError

from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import Queue
from dicom_node.errors import BrokerUnavailable

ANALYZE_TASK = "dicom_node.analyze"
DELIVER_TASK = "dicom_node.deliver"

_RING_WITHIN_S = 0.8

TASK_OF_QUEUE = {Queue.ANALYSIS: ANALYZE_TASK, Queue.DELIVERY: DELIVER_TASK}


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Return the Celery settings of node and worker, each of them measured.

    Early acknowledgement, no ETA, no retry, no result backend, nothing prefetched: the lease in the database
    is the acknowledgement, and a message that is lost costs a delay (docs/decisions).
    """
    exchange = kombu.Exchange("node", type="direct")
    return {
        "broker_url": broker_url,
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
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
        "broker_connection_timeout": 2,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_pool_limit": 2,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 30,
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "task_queues": [kombu.Queue(queue.value, exchange, routing_key=queue.value) for queue in Queue],
    }


def publisher_settings(broker_url: str) -> dict[str, Any]:
    """Return the same for the ringing end, which rather gives up than waits: the reaper rings again.

    With the 10 s that a worker may wait, a broker that is frozen would hold the dispatcher up for that long.
    """
    settings = celery_settings(broker_url)
    patience = {"socket_connect_timeout": _RING_WITHIN_S, "socket_timeout": _RING_WITHIN_S}
    settings["broker_transport_options"] = {**settings["broker_transport_options"], **patience}
    settings["broker_connection_timeout"] = _RING_WITHIN_S
    return settings


class Doorbell:
    """Rings workers by task name, never by importing them."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("dicom-node-doorbell", set_as_current=False)
        self._app.conf.update(publisher_settings(broker_url))

    def ring(self, queue: Queue, job_id: JobId) -> None:
        """Tell one worker of the queue to come and look for the job.

        Raises
        ------
        BrokerUnavailable
            The ring did not get out within about a second; the job is rung again by the reaper.
        """
        try:
            self._app.send_task(
                TASK_OF_QUEUE[queue],
                args=(str(job_id),),
                queue=queue.value,
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, OSError) as error:
            raise BrokerUnavailable(f"the broker does not answer ({type(error).__name__})") from error

    def unheard(self, queue: Queue) -> int:
        """Return how many rings lie at the broker and were not taken by a worker yet.

        Raises
        ------
        BrokerUnavailable
            The broker does not say.
        """
        connection: Any  # the stubs take it for a producer
        # Not one of the pool: after a broker's death kombu leaves those without a connection below.
        with self._app.connection_for_write() as connection:
            try:
                with connection.channel() as channel:
                    # Not passive: kombu 5.7 looks for the queue without the key prefix and finds none.
                    declared = channel.queue_declare(queue=queue.value, durable=True, auto_delete=False)
                    return int(declared.message_count)
            except (*connection.connection_errors, OperationalError) as error:
                raise BrokerUnavailable(f"the broker does not answer ({type(error).__name__})") from error

    def close(self) -> None:
        """Close the connections to the broker."""
        self._app.close()
