"""Rules asked again about studies that came: why they took one, and what other rules would have done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dicom_node.database import routing_decisions, study_facts
from dicom_node.database.routing_decisions import StoredDecision
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import Decision, RuleVerdict
from dicom_node.intake.completion import RoutingInForce, gathered_facts, routing_in_force
from dicom_node.resources import Resources
from dicom_node.routing.comparing import Backtest, compared
from dicom_node.routing.deciding import explain
from dicom_node.routing.loading import RoutesDocument

_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why rules decide as they do for one study."""

    verdicts: tuple[RuleVerdict, ...]
    decision: Decision
    stored: StoredDecision | None
    """What was decided when it was complete."""


def explain_study(
    resources: Resources, study_instance_uid: StudyInstanceUID, document: RoutesDocument | None = None
) -> Explanation | None:
    """Ask the rules in force, or those of a document, about a study; None when there is no such study."""
    rules = _rules(resources, document)
    with resources.database.read() as session:
        now = resources.database.now(session)
        stored = routing_decisions.decision_of(session, study_instance_uid)
    facts, _ = gathered_facts(resources, [study_instance_uid], now)
    if not facts:
        return None
    return Explanation(
        verdicts=explain(rules.routes, facts[0]), decision=rules.decide(facts[0]).decision, stored=stored
    )


def backtest(
    resources: Resources,
    document: RoutesDocument,
    *,
    period: timedelta,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Backtest:
    """Compare a document with the routes in force, over the studies that were complete within the period.

    Both are asked with the models and stages of now, so that whatever differs is the rules' doing.

    Parameters
    ----------
    progress
        Told how many studies of how many are done.
    """
    with resources.database.read() as session:
        now = resources.database.now(session)
        uids = study_facts.completed_since(session, now - period)
    before, after = _rules(resources, None), _rules(resources, document)
    return compared(_decisions(resources, uids, now, (before, after), progress))


def _decisions(
    resources: Resources,
    uids: list[StudyInstanceUID],
    now: datetime,
    rules: tuple[RoutingInForce, RoutingInForce],
    progress: Callable[[int, int], None],
) -> Iterator[tuple[StudyInstanceUID, Decision, Decision]]:
    for first in range(0, len(uids), _BATCH):
        batch = uids[first : first + _BATCH]
        facts, _ = gathered_facts(resources, batch, now)
        for one in facts:
            old, new = (each.decide(one).decision for each in rules)
            yield one.study_instance_uid, old, new
        progress(first + len(batch), len(uids))


def _rules(resources: Resources, document: RoutesDocument | None) -> RoutingInForce:
    in_force = routing_in_force(resources)
    if document is None:
        return in_force
    return replace(in_force, sha256=document.sha256, routes=document.routes)
