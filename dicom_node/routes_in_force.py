"""The routes that are in force: the newest rule set of the database, read by every process alike."""

import logging
from datetime import datetime
from functools import lru_cache

from sqlalchemy.orm import Session

from dicom_node.database.engine import Database
from dicom_node.database.routing_decisions import decision_of
from dicom_node.database.rule_sets import RuleSet, enter_rule_set, newest_rule_set
from dicom_node.domain.delivery import Order
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.errors import RoutesRefused
from dicom_node.routing.document import Routes, text_of_destinations
from dicom_node.routing.loading import RoutesDocument, load_routes, read_routes
from dicom_node.settings import Settings

logger = logging.getLogger(__name__)

BY_ITSELF = "dispatcher"
"""Who activates what is configured, at its start."""
_SETTING = "DICOM_NODE_DESTINATIONS"


def active_routes(session: Session) -> tuple[str, Routes]:
    """Return the SHA-256 and the routes in force; empty ones, with the digest "", before the first start.

    Raises
    ------
    RoutesRefused
        A newer version of the software wrote them, and this one does not understand them.
    """
    newest = newest_rule_set(session)
    if newest is None:
        return "", Routes()
    return newest.sha256, _parsed(newest.text, newest.source)


def activate(session: Session, document: RoutesDocument, *, actor: str, now: datetime) -> bool:
    """Put checked routes in force for every process at once, audited; False when they already are."""
    entered = RuleSet(
        sha256=document.sha256,
        text=document.text,
        source=document.source,
        activated_at=now,
        activated_by=actor,
    )
    return enter_rule_set(session, entered)


def orders_of(session: Session, study_instance_uid: StudyInstanceUID) -> tuple[Order, ...]:
    """Return where the results of a study go, by the decision that was taken when it was complete.

    A study from before there were decisions goes where the default of the routes in force says.
    """
    stored = decision_of(session, study_instance_uid)
    if stored is None:
        default = active_routes(session)[1].default
        names, deidentify = default.destinations, default.deidentify
    else:
        names, deidentify = stored.decision.destinations, stored.decision.deidentify
    return tuple(Order(destination=name, deidentify=deidentify) for name in dict.fromkeys(names))


def configured_routes(settings: Settings) -> RoutesDocument:
    """Return the routes of the configured file, or those that the setting ``destinations`` stands for.

    Raises
    ------
    RoutesRefused
        The file cannot be read, or is wrong: every problem with its file and line.
    """
    if settings.routes is None:
        return read_routes(text_of_destinations(settings.destinations), _SETTING)
    try:
        return load_routes(settings.routes)
    except OSError as error:
        raise RoutesRefused((f"{settings.routes}:1: {error.strerror or type(error).__name__}",)) from error


def activate_configured(database: Database, settings: Settings) -> None:
    """Put the configured routes in force, as a dispatcher does when it starts.

    A file that is wrong changes nothing: what is in force stays so, and an error is logged. Without a file,
    routes that a person activated stay in force.

    Raises
    ------
    RoutesRefused
        The file is wrong, and nothing is in force yet.
    """
    with database.read() as session:
        in_force = newest_rule_set(session)
    try:
        document = configured_routes(settings)
    except RoutesRefused as error:
        if in_force is None:
            raise
        facts = {"problems": list(error.problems), "in_force": in_force.sha256, "of": in_force.source}
        logger.error("the routes are wrong: the older ones stay in force", extra=facts)
        return
    by_a_person = in_force is not None and in_force.activated_by != BY_ITSELF
    if settings.routes is None and by_a_person:
        return
    with database.begin() as session:
        is_new = activate(session, document, actor=BY_ITSELF, now=database.now(session))
    if is_new:
        logger.info("routes activated", extra={"source": document.source, "sha256": document.sha256})


@lru_cache(maxsize=8)
def _parsed(text: str, source: str) -> Routes:
    return read_routes(text, source).routes
