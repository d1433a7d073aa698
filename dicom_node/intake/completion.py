"""When a Study is whole: close those that are due, by what the rules decide of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_node.database import completion, deployments, model_register, study_facts
from dicom_node.database.study_facts import Header, SeriesKey
from dicom_node.domain.deployment import Stages
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import InstalledModel, StudyFacts
from dicom_node.intake.carrying_out import Decided, carry_out
from dicom_node.intake.series_header import MOST_SERIES, read_headers
from dicom_node.resources import Resources
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.deciding import decide, may_want_reading
from dicom_node.routing.document import Routes

_BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What became of the studies that were due."""

    completed: int
    held_back: int
    """Due, but no model is registered yet: workers may still be starting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingInForce:
    """Everything that a decision depends on, besides the study."""

    sha256: str
    routes: Routes
    models: tuple[InstalledModel, ...]
    stages: Stages

    def decide(self, facts: StudyFacts) -> Decided:
        """Return what the rules decide for the study, and by which of them."""
        decision = decide(self.routes, facts, self.models, self.stages)
        return Decided(decision=decision, routes=self.routes, rule_set_sha256=self.sha256, facts=facts)


def close_studies(resources: Resources, now: datetime | None = None) -> Closed:
    """Move every due study to COMPLETE and do what the rules decide for it, a batch a transaction.

    Headers are read and rules asked before the transaction, which then closes what is still due.

    Parameters
    ----------
    now
        A time; by default that of the database's clock.
    """
    completed = 0
    while True:
        with resources.database.read() as session:
            at = now or resources.database.now(session)
            due = completion.due_studies(session, now=at, limit=_BATCH)
        if not due:
            return Closed(completed=completed, held_back=0)
        rules = routing_in_force(resources)
        if not rules.models and may_want_reading(rules.routes):
            return Closed(completed=completed, held_back=len(due))
        closed = _close(resources, due, rules, at)
        completed += closed
        if closed < _BATCH:
            return Closed(completed=completed, held_back=0)


def routing_in_force(resources: Resources) -> RoutingInForce:
    """Return the routes in force, the models that workers have and the stages that stand."""
    with resources.database.read() as session:
        sha256, routes = active_routes(session)
        return RoutingInForce(
            sha256=sha256,
            routes=routes,
            models=model_register.installed_models(session),
            stages=deployments.stages_in_force(session),
        )


def gathered_facts(
    resources: Resources, study_instance_uids: Sequence[StudyInstanceUID], now: datetime
) -> tuple[list[StudyFacts], Mapping[SeriesKey, Header]]:
    """Return the facts of the studies, and those headers among them that are not kept yet."""
    with resources.database.read() as session:
        unread = study_facts.series_without_header(session, study_instance_uids, most=MOST_SERIES)
    headers = read_headers(resources.archive, unread)
    with resources.database.read() as session:
        return study_facts.facts_of(session, study_instance_uids, now=now, headers=headers), headers


def _close(resources: Resources, due: Sequence[StudyInstanceUID], rules: RoutingInForce, at: datetime) -> int:
    facts, headers = gathered_facts(resources, due, at)
    decided = {one.study_instance_uid: rules.decide(one) for one in facts}
    with resources.database.begin() as session:
        locked = [uid for uid in completion.lock_due(session, due, now=at) if uid in decided]
        for study_instance_uid in locked:
            study = completion.complete_study(session, study_instance_uid, now=at)
            study_facts.keep_headers(session, study_instance_uid, headers)
            carry_out(session, decided[study_instance_uid], priority=study.priority, now=at)
    return len(locked)
