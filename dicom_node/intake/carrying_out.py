"""Do what the rules decided for a complete study."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dicom_node.database import analyses, audit_trail, deliveries, routing_decisions, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.delivery import Order
from dicom_node.domain.routing import Decision, RuleAction, StudyFacts
from dicom_node.routing.deciding import wants_reading
from dicom_node.routing.document import Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision with what it was taken by."""

    decision: Decision
    routes: Routes
    rule_set_sha256: str
    facts: StudyFacts
    actor: str = "dispatcher"


def carry_out(session: Session, decided: Decided, *, priority: int, now: datetime) -> None:
    """Enter the decision, ask for its Analyses and send the originals on; a held study waits for a person.

    Parameters
    ----------
    priority
        Of the study, where the rules give it none.
    """
    decision, study_instance_uid = decided.decision, decided.facts.study_instance_uid
    routing_decisions.enter_decision(
        session,
        study_instance_uid,
        decision,
        rule_set_sha256=decided.rule_set_sha256,
        actor=decided.actor,
        now=now,
    )
    if decision.action is RuleAction.HOLD:
        return
    if decision.action is RuleAction.READ:
        urgency = priority if decision.priority is None else decision.priority
        _ask(session, decided, priority=urgency, now=now)
        if not decision.models and wants_reading(decided.routes, decision.rules):
            _say_unread(session, decided, now)
    study = studies.lock_study(session, study_instance_uid)
    deliveries.close_study_when_settled(session, study.id, now=now)


def _ask(session: Session, decided: Decided, *, priority: int, now: datetime) -> None:
    decision, study_instance_uid = decided.decision, decided.facts.study_instance_uid
    for choice in decision.models:
        analyses.request_analysis(
            session, study_instance_uid, choice.model, priority=priority, now=now, mode=choice.mode
        )
    for name in decision.forward:
        order = Order(destination=name, deidentify=decision.deidentify)
        deliveries.request_forward(session, study_instance_uid, order, priority=priority, now=now)


def _say_unread(session: Session, decided: Decided, now: datetime) -> None:
    """No model reads such a study: say so in the audit trail."""
    said = ", ".join(sorted(decided.facts.modalities - {""})) or "no modality"
    reason = "; ".join(decided.decision.left_out) or f"no model of this node reads {said}"
    event = AuditEvent(
        action=Action.ANALYSIS_NOT_APPLICABLE,
        actor="dispatcher",
        study_instance_uid=decided.facts.study_instance_uid,
        patient_id=studies.lock_study(session, decided.facts.study_instance_uid).patient_id,
        detail={"reason": reason},
    )
    audit_trail.record(session, [event], at=now)
