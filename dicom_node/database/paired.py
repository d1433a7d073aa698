"""Studies that two models have both closed, with what each said."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.tables import analyses, findings, models, routing_decisions, studies
from dicom_node.domain.finding import AnalysisState, Condition, Finding, ModelIdentity, Presence
from dicom_node.domain.paired import Pair, Reading

_CLOSED = (AnalysisState.COMPLETED, AnalysisState.NOT_APPLICABLE, AnalysisState.FAILED)


def pairs_of(
    session: Session,
    champion: ModelIdentity,
    challenger: ModelIdentity,
    *,
    rule: str = "",
    since: datetime | None = None,
) -> tuple[Pair, ...]:
    """Return the studies that both models have closed, by time of arrival, in whatever mode each read.

    Parameters
    ----------
    rule
        Only studies that the rule took when they were complete; empty: all.
    since
        Only studies received from then on.
    """
    ours = _readings(session, champion, since)
    theirs = _readings(session, challenger, since)
    wanted = ours.keys() & theirs.keys()
    if rule:
        wanted &= _taken_by(session, rule)
    return tuple(
        Pair(study_instance_uid=uid, champion=ours[study_id, uid], challenger=theirs[study_id, uid])
        for study_id, uid in sorted(wanted)
    )


_Study = tuple[int, str]


def _readings(session: Session, model: ModelIdentity, since: datetime | None) -> dict[_Study, Reading]:
    """Return the newest revision of each study that the model has closed."""
    closed = [
        models.c.name == model.name,
        models.c.version == model.version,
        analyses.c.state.in_([state.value for state in _CLOSED]),
    ]
    if since is not None:
        closed.append(studies.c.received_at >= since)
    own = (
        sa.select(analyses, studies.c.study_instance_uid)
        .join(studies, studies.c.id == analyses.c.study_id)
        .join(models, models.c.id == analyses.c.model_id)
        .where(*closed)
    )
    said: dict[Any, list[Finding]] = {}
    of_these = sa.select(own.subquery().c.id)
    for row in session.execute(
        sa.select(findings)
        .where(findings.c.analysis_id.in_(of_these))
        .order_by(findings.c.probability.desc(), findings.c.condition)
    ):
        said.setdefault(row.analysis_id, []).append(
            Finding(
                condition=Condition(row.condition),
                probability=row.probability,
                operating_point=row.operating_point,
                presence=Presence(row.presence),
            )
        )
    return {
        (row.study_id, row.study_instance_uid): Reading(
            state=AnalysisState(row.state),
            reason=row.reason,
            findings=tuple(said.get(row.id, ())),
            seconds=(row.completed_at - row.started_at).total_seconds() if row.started_at else None,
        )
        for row in session.execute(own.order_by(analyses.c.revision))
    }


def _taken_by(session: Session, rule: str) -> set[_Study]:
    """Return the studies whose last decision names the rule."""
    rows = session.execute(
        sa.select(routing_decisions.c.study_id, routing_decisions.c.decision, studies.c.study_instance_uid)
        .join(studies, studies.c.id == routing_decisions.c.study_id)
        .order_by(routing_decisions.c.id)
    )
    rules = {(row.study_id, row.study_instance_uid): row.decision.get("rules", ()) for row in rows}
    return {study for study, names in rules.items() if rule in names}
