"""When a Study is whole: close those that are due and ask for their Analyses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dicom_node.database import (
    analyses,
    audit_trail,
    completion,
    deliveries,
    deployments,
    model_register,
    studies,
)
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.deployment import ModelMode, Stages
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import InstalledModel, SeriesFacts, StudyFacts
from dicom_node.resources import Resources
from dicom_node.routing.staging import choices_under

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
            installed = model_register.installed_models(session) if due else ()
            if due and not installed:
                return Closed(completed=completed, held_back=len(due))
            stages = deployments.stages_in_force(session) if due else {}
            for study_instance_uid in due:
                _close(session, study_instance_uid, installed, stages, at)
        completed += len(due)
        if len(due) < _BATCH:
            return Closed(completed=completed, held_back=0)


def _close(
    session: Session,
    study_instance_uid: StudyInstanceUID,
    installed: Sequence[InstalledModel],
    stages: Stages,
    now: datetime,
) -> None:
    study = completion.complete_study(session, study_instance_uid, now=now)
    modalities = studies.modalities_of(session, study_instance_uid)
    facts = _facts(study_instance_uid, modalities, now)
    chosen = choices_under("default", None, facts, installed, stages)
    for choice in chosen:
        analyses.request_analysis(
            session,
            study_instance_uid,
            choice.model,
            priority=study.priority,
            now=now,
            mode=choice.mode,
        )
    if not chosen:
        _say_unread(session, study_instance_uid, modalities, now)
    if all(choice.mode is ModelMode.SHADOW for choice in chosen):  # nobody waits for a shadow
        row = studies.lock_study(session, study_instance_uid)
        deliveries.close_study_when_settled(session, row.id, now=now)


def _facts(study_instance_uid: StudyInstanceUID, modalities: frozenset[str], now: datetime) -> StudyFacts:
    return StudyFacts(
        study_instance_uid=study_instance_uid,
        calling_ae_titles=frozenset(),
        completed_at=now,
        series=tuple(
            SeriesFacts(series_instance_uid="", sop_class_uids=frozenset(), header={"Modality": (modality,)})
            for modality in sorted(modalities)
        ),
    )


def _say_unread(
    session: Session, study_instance_uid: StudyInstanceUID, modalities: frozenset[str], now: datetime
) -> None:
    """No model reads such a study: say so in the audit trail."""
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
