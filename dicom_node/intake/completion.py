"""When a Study is whole: close those that are due and ask for their Analyses."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dicom_node.database import analyses, audit_trail, completion, deliveries, model_register, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.resources import Resources
from dicom_node.routing.choices import models_for

_BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What became of the studies that were due."""

    completed: int
    held_back: int
    """Due, but no model is registered yet: workers may still be starting."""


def close_studies(resources: Resources, now: datetime | None = None) -> Closed:
    """Move every due study to COMPLETE and ask for its Analyses, a batch a transaction.

    Parameters
    ----------
    now
        A time; by default that of the database's clock.
    """
    completed = 0
    while True:
        with resources.database.begin() as session:
            at = now or resources.database.now(session)
            due = completion.due_studies(session, now=at, limit=_BATCH)
            active = _active_models(session) if due else {}
            if due and not active:
                return Closed(completed=completed, held_back=len(due))
            for study_instance_uid in due:
                _close(session, study_instance_uid, active, at)
        completed += len(due)
        if len(due) < _BATCH:
            return Closed(completed=completed, held_back=0)


def _active_models(session: Session) -> dict[ModelIdentity, frozenset[str]]:
    return {model.identity: model.modalities for model in model_register.active_models(session)}


def _close(
    session: Session,
    study_instance_uid: StudyInstanceUID,
    active: dict[ModelIdentity, frozenset[str]],
    now: datetime,
) -> None:
    study = completion.complete_study(session, study_instance_uid, now=now)
    modalities = studies.modalities_of(session, study_instance_uid)
    fitting = models_for(modalities, active)
    for model in fitting:
        analyses.request_analysis(session, study_instance_uid, model, priority=study.priority, now=now)
    if not fitting:
        _close_unread(session, study_instance_uid, modalities, now)


def _close_unread(
    session: Session, study_instance_uid: StudyInstanceUID, modalities: frozenset[str], now: datetime
) -> None:
    """No model reads such a study: say so in the audit trail, and let it be DONE."""
    row = studies.lock_study(session, study_instance_uid)
    said = ", ".join(sorted(modalities - {""})) or "no modality"
    event = AuditEvent(
        action=Action.ANALYSIS_NOT_APPLICABLE,
        actor="dispatcher",
        study_instance_uid=study_instance_uid,
        patient_id=row.patient_id,
        detail={"reason": f"no model of this node reads {said}"},
    )
    audit_trail.record(session, [event], at=now)
    deliveries.close_study_when_settled(session, row.id, now=now)
