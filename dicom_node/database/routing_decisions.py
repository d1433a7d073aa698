"""Routing decisions: what the rules said of a study when it was complete, and what became of that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import locked
from dicom_node.database.studies import lock_study
from dicom_node.database.tables import routing_decisions, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import Decision, ModelChoice, ModelMode, RuleAction
from dicom_node.errors import StateConflict

_SAID = {
    RuleAction.READ: Action.STUDY_ROUTED,
    RuleAction.HOLD: Action.STUDY_HELD,
    RuleAction.DROP: Action.STUDY_DROPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """A decision as it stands in the database."""

    decision: Decision
    rule_set_sha256: str
    """Of the routes that it was taken by."""
    decided_at: datetime
    released_at: datetime | None
    """When a person released a held study."""


def enter_decision(
    session: Session,
    study_instance_uid: StudyInstanceUID,
    decision: Decision,
    *,
    rule_set_sha256: str,
    actor: str,
    now: datetime,
) -> None:
    """Enter what was decided, with the audit event; an urgency that the rules give becomes the study's."""
    study = lock_study(session, study_instance_uid)
    session.execute(
        sa.insert(routing_decisions).values(
            study_id=study.id,
            rule_set_sha256=rule_set_sha256,
            decided_at=now,
            action=decision.action.value,
            decision=_plain(decision),
        )
    )
    if decision.priority is not None:
        session.execute(sa.update(studies).where(studies.c.id == study.id).values(priority=decision.priority))
    event = AuditEvent(
        action=_SAID[decision.action],
        actor=actor,
        study_instance_uid=study_instance_uid,
        patient_id=study.patient_id,
        detail={
            "rules": ", ".join(decision.rules),
            "rule_set": rule_set_sha256,
            "destinations": ", ".join(decision.destinations),
            "forward": ", ".join(decision.forward),
            "left_out": "; ".join(decision.left_out),
        },
    )
    audit_trail.record(session, [event], at=now)


def decision_of(session: Session, study_instance_uid: str) -> StoredDecision | None:
    """Return the last decision about the study; None when none was ever taken."""
    row = session.execute(
        sa.select(routing_decisions)
        .join(studies, studies.c.id == routing_decisions.c.study_id)
        .where(studies.c.study_instance_uid == study_instance_uid)
        .order_by(routing_decisions.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return StoredDecision(
        decision=_decision_of(row.decision),
        rule_set_sha256=row.rule_set_sha256,
        decided_at=row.decided_at,
        released_at=row.released_at,
    )


def release_held(
    session: Session, study_instance_uid: StudyInstanceUID, *, actor: str, now: datetime
) -> None:
    """Enter that a person lets a held study go on.

    Raises
    ------
    StateConflict
        It is not held.
    """
    last = session.execute(
        locked(
            session,
            sa.select(routing_decisions.c.id, studies.c.patient_id)
            .join(studies, studies.c.id == routing_decisions.c.study_id)
            .where(studies.c.study_instance_uid == study_instance_uid)
            .order_by(routing_decisions.c.id.desc())
            .limit(1),
        )
    ).first()
    moved = (
        last
        and session.execute(
            sa.update(routing_decisions)
            .where(
                routing_decisions.c.id == last.id,
                routing_decisions.c.action == RuleAction.HOLD.value,
                routing_decisions.c.released_at.is_(None),
            )
            .values(released_at=now)
            .returning(routing_decisions.c.id)
        ).first()
    )
    if not last or not moved:
        raise StateConflict(f"study {study_instance_uid} is not held")
    event = AuditEvent(
        action=Action.STUDY_RELEASED,
        actor=actor,
        study_instance_uid=study_instance_uid,
        patient_id=last.patient_id,
    )
    audit_trail.record(session, [event], at=now)


def held_studies(session: Session) -> int:
    """Return how many studies wait for a person."""
    waiting = sa.select(sa.func.count()).where(
        routing_decisions.c.action == RuleAction.HOLD.value, routing_decisions.c.released_at.is_(None)
    )
    return int(session.execute(waiting).scalar_one())


def _plain(decision: Decision) -> dict[str, object]:
    return {
        "rules": list(decision.rules),
        "action": decision.action.value,
        "models": [
            {
                "name": choice.model.name,
                "version": choice.model.version,
                "weights_sha256": choice.model.weights_sha256,
                "mode": choice.mode.value,
            }
            for choice in decision.models
        ],
        "destinations": list(decision.destinations),
        "forward": list(decision.forward),
        "priority": decision.priority,
        "deidentify": decision.deidentify,
        "left_out": list(decision.left_out),
    }


def _decision_of(plain: dict[str, Any]) -> Decision:
    return Decision(
        rules=tuple(plain["rules"]),
        action=RuleAction(plain["action"]),
        models=tuple(
            ModelChoice(
                model=ModelIdentity(
                    name=choice["name"], version=choice["version"], weights_sha256=choice["weights_sha256"]
                ),
                mode=ModelMode(choice["mode"]),
            )
            for choice in plain["models"]
        ),
        destinations=tuple(plain["destinations"]),
        forward=tuple(plain["forward"]),
        priority=plain["priority"],
        deidentify=plain["deidentify"],
        left_out=tuple(plain["left_out"]),
    )
