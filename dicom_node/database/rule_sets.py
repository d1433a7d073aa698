"""Rule sets: every text of routes that ever was in force; the newest is."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import lock_table
from dicom_node.database.tables import rule_sets
from dicom_node.domain.audit import Action, AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """A text of routes, and who put it in force."""

    sha256: str
    text: str
    source: str
    """The file that it was read from, or the name of a setting."""
    activated_at: datetime
    activated_by: str


def newest_rule_set(session: Session) -> RuleSet | None:
    """Return what is in force; None when nothing ever was."""
    row = session.execute(sa.select(rule_sets).order_by(rule_sets.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    return RuleSet(
        sha256=row.sha256,
        text=row.text,
        source=row.source,
        activated_at=row.activated_at,
        activated_by=row.activated_by,
    )


def enter_rule_set(session: Session, entered: RuleSet) -> bool:
    """Put a checked text in force for every process at once, audited; False when it already is."""
    lock_table(session, rule_sets)  # the order of the numbers is the order of the acts
    before = newest_rule_set(session)
    if before is not None and before.sha256 == entered.sha256:
        return False
    session.execute(
        sa.insert(rule_sets).values(
            sha256=entered.sha256,
            text=entered.text,
            source=entered.source[:300],
            activated_at=entered.activated_at,
            activated_by=entered.activated_by[:64],
        )
    )
    event = AuditEvent(
        action=Action.ROUTES_ACTIVATED,
        actor=entered.activated_by[:64],
        subject=entered.sha256,
        detail={"source": entered.source[:300], "before": before.sha256 if before else None},
    )
    audit_trail.record(session, [event], at=entered.activated_at)
    return True
