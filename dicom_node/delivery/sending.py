"""One delivery job: send the Analysis' instances, settle what the Destination answered."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from dicom_node import scu
from dicom_node.database import analyses, delivery_steps
from dicom_node.domain.delivery import Delivery, Patience
from dicom_node.domain.identifiers import AETitle, AnalysisId
from dicom_node.domain.job import Lease
from dicom_node.errors import ArchiveCorrupted, DeliveryRefused, DestinationUnreachable
from dicom_node.resources import Resources
from dicom_node.settings import Settings, parse_destination

logger = logging.getLogger(__name__)


def deliver(resources: Resources, held: Lease, delivery: Delivery, *, actor: str) -> None:
    """Send every instance of the Delivery and enter what came of it.

    DELIVERED only when the Destination accepted every instance; a Destination that cannot be reached is tried
    again after a wait that is a column of the job, and one that refused for good is not asked twice.

    Raises
    ------
    LeaseLost
        Another worker holds the job by now; nothing was entered.
    """
    try:
        answer = _send(resources, delivery)
    except DestinationUnreachable as error:
        _try_later(resources, held, delivery, answer=str(error), actor=actor)
    except DeliveryRefused as error:
        with resources.database.begin() as session:
            now = resources.database.now(session)
            delivery_steps.settle_refused(session, held, answer=str(error), actor=actor, now=now)
        logger.warning("delivery refused", extra={"delivery": str(delivery.delivery_id)})
    except ArchiveCorrupted as error:
        with resources.database.begin() as session:
            now = resources.database.now(session)
            delivery_steps.settle_exhausted(session, held, answer=str(error), actor=actor, now=now)
        logger.critical("result bytes are gone or changed", extra={"delivery": str(delivery.delivery_id)})
    else:
        with resources.database.begin() as session:
            now = resources.database.now(session)
            delivery_steps.settle_delivered(session, held, answer=answer, actor=actor, now=now)
        logger.info("delivered", extra={"delivery": str(delivery.delivery_id)})


def backoff(settings: Settings, attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts: doubling, bounded, with a tenth of jitter."""
    return Patience(
        first=settings.delivery_first_backoff,
        longest=settings.delivery_longest_backoff,
        give_up_after=settings.delivery_give_up_after,
    ).wait(attempts)


def _send(resources: Resources, delivery: Delivery) -> str:
    outcomes = scu.send_instances(
        _paths(resources, delivery.analysis_id),
        parse_destination(delivery.destination),
        calling_ae_title=AETitle(resources.settings.ae_title),
    )
    told = "; ".join(f"{outcome.sop_instance_uid}: {outcome.comment}" for outcome in outcomes)
    if all(outcome.accepted for outcome in outcomes):
        return told
    if any(not outcome.accepted and not outcome.temporary for outcome in outcomes):
        raise DeliveryRefused(told)
    raise DestinationUnreachable(told)


def _paths(resources: Resources, analysis_id: AnalysisId | None) -> list[Path]:
    """Return the files in the order of sending: what a report refers to comes before the report."""
    if analysis_id is None:
        return []
    with resources.database.read() as session:
        made = analyses.outputs_of(session, analysis_id)
    ordered = sorted(made, key=lambda output: output.role.value)
    return [resources.archive.verified(output.path, output.sha256) for output in ordered]


def _try_later(resources: Resources, held: Lease, delivery: Delivery, *, answer: str, actor: str) -> None:
    settings = resources.settings
    with resources.database.begin() as session:
        now: datetime = resources.database.now(session)
        if now - delivery.created_at >= settings.delivery_give_up_after:
            delivery_steps.settle_exhausted(session, held, answer=answer, actor=actor, now=now)
            return
        not_before = now + backoff(settings, delivery.attempts)
        delivery_steps.postpone_delivery(
            session, held, not_before=not_before, answer=answer, actor=actor, now=now
        )
    logger.warning(
        "destination unreachable, trying later",
        extra={"delivery": str(delivery.delivery_id), "not_before": not_before.isoformat()},
    )
