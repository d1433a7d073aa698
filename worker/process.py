"""The life of a worker process: open, take back what a predecessor held, listen, close."""

import logging
import re
import socket
from collections.abc import Callable
from contextlib import closing
from uuid import UUID

from celery import Celery
from celery.signals import setup_logging, worker_ready

from dicom_node import readiness
from dicom_node.database import deployments, jobs, model_register
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.job import Queue
from dicom_node.messaging.embedded_broker import effective_broker_url
from dicom_node.resources import Resources, open_resources
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.staging import taking_part
from dicom_node.settings import Settings
from worker.app import build_app, listen
from worker.delivery_desk import DeliveryDesk
from worker.hearing import Hearing
from worker.registration import Registration

logger = logging.getLogger(__name__)

MOST_GRAPH_THREADS = 2
"""Of ONNX Runtime in one worker: images of 300 pixels leave little to share out among more."""


def run_analysis_worker(settings: Settings, slot: str) -> None:
    """Load the models and the decoders, enter the models in the register, and read studies."""
    import torch

    from dicom_node.imaging.decoding import DecoderPool
    from worker.analysis import Tools
    from worker.analysis_desk import AnalysisDesk
    from worker.loaded_models import LoadedModels

    threads = max(1, torch.get_num_threads() // settings.analysis_workers)
    if settings.device == "cpu" or not torch.cuda.is_available():
        torch.set_num_threads(threads)
    resources = open_resources(settings)
    decoders = DecoderPool(
        processes=settings.decoder_processes,
        memory_bytes=settings.decoder_memory_mb * 2**20,
        timeout_s=settings.decoder_timeout.total_seconds(),
    )
    with closing(resources), closing(decoders):
        models = LoadedModels(
            settings.weights_home,
            chosen_device(settings.device, slot),
            names=settings.models,
            threads=min(threads, MOST_GRAPH_THREADS),
        )
        registration = Registration(resources, models.registered(), f"worker:{owner_of(slot)}")
        registration.enter()
        registration.keep_on()
        models.load_named(_named(resources))
        desk = AnalysisDesk(
            tools=Tools(resources=resources, decoders=decoders), models=models, slot=owner_of(slot)
        )
        _serve(resources, Queue.ANALYSIS, desk.analyze, slot=slot, concurrency=1)


def _named(resources: Resources) -> tuple[ModelIdentity, ...]:
    """Return the models that routes and stages ask: studies will be promised to them."""
    with resources.database.read() as session:
        return taking_part(
            active_routes(session)[1],
            model_register.installed_models(session),
            deployments.stages_in_force(session),
        )


def run_delivery_worker(settings: Settings, slot: str) -> None:
    """Bring results to their Destinations."""
    resources = open_resources(settings)
    with closing(resources):
        desk = DeliveryDesk(resources=resources, slot=owner_of(slot))
        _serve(
            resources,
            Queue.DELIVERY,
            desk.deliver,
            slot=slot,
            concurrency=settings.delivery_concurrency,
        )


def owner_of(slot: str) -> str:
    """Return the name under which a slot of this host holds jobs and is audited.

    Hosts may use the same slot names; a worker that starts takes back only what its own predecessor held.
    """
    return f"{slot}@{socket.gethostname()[:30]}"


def chosen_device(setting: str, slot: str) -> str:
    """Return the torch device of a worker.

    ``auto`` is the CPU where there is no GPU; where there are several, the number at the end of the slot's
    name decides, so that ``analysis-0`` and ``analysis-1`` have a GPU each.
    """
    import torch

    if setting != "auto":
        return setting
    if not torch.cuda.is_available():
        return "cpu"
    number = re.search(r"\d+$", slot)
    return f"cuda:{(int(number[0]) if number else 0) % torch.cuda.device_count()}"


def _serve(
    resources: Resources, queue: Queue, do: Callable[[UUID], None], *, slot: str, concurrency: int
) -> None:
    hearing = Hearing(resources, queue)
    app = build_app(effective_broker_url(resources.settings), queue, hearing.noted(do))
    hearing.watch()
    _take_back(resources, owner_of(slot))
    # Celery would replace the handlers that configure_logging has set.
    setup_logging.connect(_keep_logging, weak=False)
    worker_ready.connect(_announcer(resources, slot), weak=False)
    listen(app, queue, slot=slot, concurrency=concurrency)


def _take_back(resources: Resources, slot: str) -> None:
    """Give the jobs of a predecessor that died back at once, instead of waiting for their leases."""
    with resources.database.begin() as session:
        released = jobs.release_owner(session, slot, now=resources.database.now(session))
    if released:
        logger.warning("took back jobs of a predecessor", extra={"jobs": len(released)})
        resources.dispatcher_bell.ring()


def _announcer(resources: Resources, slot: str) -> Callable[..., None]:
    def announce(sender: Celery | None = None, **_: object) -> None:
        readiness.announce(resources.settings.run_home, slot)

    return announce


def _keep_logging(**_: object) -> None:
    return None
