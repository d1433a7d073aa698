"""The worklist: studies most urgent first, with what was said of them and where that went."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.analyses import analyses_of
from dicom_node.database.deliveries import deliveries_of
from dicom_node.database.studies import study_of
from dicom_node.database.tables import studies
from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.study import StudyState
from dicom_node.domain.worklist import WorklistItem


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistQuery:
    """Which studies to list; empty fields match everything."""

    study_instance_uid: str = ""
    patient_id: str = ""
    states: tuple[StudyState, ...] = ()
    received_since: datetime | None = None
    limit: int = 50


def worklist_items(session: Session, query: WorklistQuery) -> list[WorklistItem]:
    """Return the studies, most urgent first and among these the longest waiting first."""
    statement = (
        sa.select(studies)
        .order_by(studies.c.priority, studies.c.received_at, studies.c.id)
        .limit(query.limit)
    )
    if query.study_instance_uid:
        statement = statement.where(studies.c.study_instance_uid == query.study_instance_uid)
    if query.patient_id:
        statement = statement.where(studies.c.patient_id == query.patient_id)
    if query.received_since is not None:
        statement = statement.where(studies.c.received_at >= query.received_since)
    if query.states:
        statement = statement.where(studies.c.state.in_([state.value for state in query.states]))
    found = [study_of(row) for row in session.execute(statement)]
    said = analyses_of(session, [study.study_instance_uid for study in found])
    sent = deliveries_of(session, [study.study_instance_uid for study in found])
    return [
        WorklistItem(
            study=study,
            analyses=tuple(
                one
                for one in said
                if one.study_instance_uid == study.study_instance_uid and one.mode is not ModelMode.SHADOW
            ),
            shadows=tuple(
                one
                for one in said
                if one.study_instance_uid == study.study_instance_uid and one.mode is ModelMode.SHADOW
            ),
            deliveries=tuple(one for one in sent if one.study_instance_uid == study.study_instance_uid),
        )
        for study in found
    ]


def study_counts(session: Session) -> dict[StudyState, int]:
    """Return how many studies are in each state."""
    rows = session.execute(
        sa.select(studies.c.state, sa.func.count().label("number")).group_by(studies.c.state)
    )
    return {StudyState(row.state): row.number for row in rows}
