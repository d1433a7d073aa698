"""Let a held study go on."""

from dataclasses import replace

from dicom_node.database import routing_decisions, studies
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import Decision, RuleAction
from dicom_node.errors import StateConflict
from dicom_node.intake.carrying_out import carry_out
from dicom_node.intake.completion import gathered_facts, routing_in_force
from dicom_node.resources import Resources


def release_study(resources: Resources, study_instance_uid: StudyInstanceUID, *, actor: str) -> Decision:
    """Let a held study go on, and return what the routes in force now decide for it.

    They decide anew, because models and destinations may have changed while it was held; where they would
    hold it again, the person's word counts.

    Raises
    ------
    StateConflict
        There is no such study, or it is not held.
    """
    with resources.database.read() as session:
        study = studies.find_study(session, study_instance_uid)
        now = resources.database.now(session)
    if study is None:
        raise StateConflict(f"there is no study {study_instance_uid}")
    facts, _ = gathered_facts(resources, [study_instance_uid], now)
    decided = replace(routing_in_force(resources).decide(facts[0]), actor=actor)
    if decided.decision.action is RuleAction.HOLD:
        decided = replace(decided, decision=replace(decided.decision, action=RuleAction.READ))
    with resources.database.begin() as session:
        routing_decisions.release_held(session, study_instance_uid, actor=actor, now=now)
        carry_out(session, decided, priority=study.priority, now=now)
    resources.dispatcher_bell.ring()
    return decided.decision
