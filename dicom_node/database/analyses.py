"""Analyses: one model reading one study, from the request to the Findings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail, jobs, outputs
from dicom_node.database.deliveries import close_study_when_settled, request_delivery
from dicom_node.database.jobs import NewJob
from dicom_node.database.statements import insert_or_ignore
from dicom_node.database.tables import analyses, findings, models, studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.delivery import Order
from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.finding import (
    Analysis,
    AnalysisState,
    Condition,
    Finding,
    ModelIdentity,
    Output,
    Presence,
)
from dicom_node.domain.identifiers import AnalysisId, StudyInstanceUID, derived_uuid
from dicom_node.domain.job import SHADOW_LANE, Lease, Queue
from dicom_node.domain.worklist import LEAST_URGENT
from dicom_node.errors import StateConflict


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingResult:
    """What a worker found and made."""

    findings: tuple[Finding, ...]
    outputs: tuple[Output, ...]
    input_digest: str
    priority: int


def request_analysis(  # noqa: PLR0913 - what identifies an Analysis, and how it is to be done
    session: Session,
    study_instance_uid: StudyInstanceUID,
    model: ModelIdentity,
    *,
    priority: int,
    now: datetime,
    mode: ModelMode = ModelMode.ACTIVE,
    revision: int = 1,
) -> AnalysisId:
    """Enter an Analysis and its job; the same study, model version and revision again is the same one.

    Parameters
    ----------
    mode
        ACTIVE or SHADOW. A SHADOW's job is rung only while no ACTIVE one waits.

    Raises
    ------
    ValueError
        Another mode: a canary is decided before, a model that is off is not asked.
    """
    if mode not in {ModelMode.ACTIVE, ModelMode.SHADOW}:
        raise ValueError(f"an analysis is active or shadow, not {mode.value}")
    study = session.execute(
        sa.select(studies.c.id, studies.c.patient_id).where(
            studies.c.study_instance_uid == study_instance_uid
        )
    ).one()
    model_id = session.execute(
        sa.select(models.c.id).where(models.c.name == model.name, models.c.version == model.version)
    ).scalar_one()
    analysis_id = AnalysisId(
        derived_uuid("analysis", study_instance_uid, model.name, model.version, str(revision))
    )
    is_new = insert_or_ignore(
        session,
        analyses,
        {
            "id": analysis_id,
            "study_id": study.id,
            "model_id": model_id,
            "revision": revision,
            "mode": mode.value,
            "state": AnalysisState.REQUESTED.value,
            "priority": priority,
            "created_at": now,
        },
    )
    if is_new:
        is_shadow = mode is ModelMode.SHADOW
        job = NewJob(
            queue=Queue.ANALYSIS,
            subject_id=analysis_id,
            study_id=study.id,
            priority=LEAST_URGENT if is_shadow else priority,
            lane=SHADOW_LANE if is_shadow else "",
        )
        jobs.open_job(session, job, now=now)
        _audit(session, Action.ANALYSIS_REQUESTED, analysis_id, "dispatcher", now)
    return analysis_id


def find_analysis(session: Session, analysis_id: AnalysisId) -> Analysis:
    """Return the Analysis with its Findings; raises ``NoResultFound`` when there is none."""
    return _with_findings(session, [session.execute(_SELECT.where(analyses.c.id == analysis_id)).one()])[0]


def analyses_of(session: Session, study_instance_uids: Iterable[str]) -> list[Analysis]:
    """Return the Analyses of the studies, oldest first."""
    rows = session.execute(
        _SELECT.where(studies.c.study_instance_uid.in_(list(study_instance_uids))).order_by(
            analyses.c.created_at, analyses.c.id
        )
    ).all()
    return _with_findings(session, rows)


def start_analysis(session: Session, held: Lease, *, actor: str, now: datetime) -> Analysis:
    """Move the Analysis of a claimed job to RUNNING, with the audit event, and return it.

    An Analysis that already runs is one whose worker died: it is taken up again.
    """
    analysis_id = AnalysisId(held.subject_id)
    before = {AnalysisState.REQUESTED, AnalysisState.RUNNING}
    _move(session, analysis_id, AnalysisState.RUNNING, before, started_at=now)
    _audit(session, Action.ANALYSIS_STARTED, analysis_id, actor, now, detail={"attempt": held.attempt})
    return find_analysis(session, analysis_id)


def complete_analysis(
    session: Session,
    held: Lease,
    result: ReadingResult,
    *,
    destinations: tuple[Order, ...],
    actor: str,
    now: datetime,
) -> None:
    """Enter what the model said, all or nothing: Findings, outputs, delivery jobs, audit, and settle the job.

    Of a SHADOW only the Findings are entered, whatever else is given: nothing of it may leave the database,
    and the study is as urgent as before.

    Raises
    ------
    LeaseLost
        Another worker holds the job by now; nothing is entered.
    """
    jobs.settle(session, held, now=now)
    analysis_id = AnalysisId(held.subject_id)
    _move(
        session,
        analysis_id,
        AnalysisState.COMPLETED,
        {AnalysisState.RUNNING},
        input_digest=result.input_digest,
        priority=result.priority,
        completed_at=now,
    )
    _insert_findings(session, analysis_id, result.findings)
    top = result.findings[0]
    _audit(
        session,
        Action.ANALYSIS_COMPLETED,
        analysis_id,
        actor,
        now,
        detail={"top": top.condition.value, "probability": round(top.probability, 4)},
    )
    study_id = _study_id(session, analysis_id)
    if not _is_shadow(session, analysis_id):
        outputs.insert_outputs(session, analysis_id, result.outputs)
        _hasten_study(session, study_id, result.priority)
        for order in destinations:
            request_delivery(session, analysis_id, order, priority=result.priority, now=now)
    close_study_when_settled(session, study_id, now=now)


def close_analysis_not_applicable(
    session: Session, held: Lease, *, reason: str, input_digest: str, actor: str, now: datetime
) -> None:
    """Enter that the model cannot read the study, and why; raises like :func:`complete_analysis`."""
    jobs.settle(session, held, now=now)
    analysis_id = AnalysisId(held.subject_id)
    _move(
        session,
        analysis_id,
        AnalysisState.NOT_APPLICABLE,
        {AnalysisState.RUNNING},
        reason=reason,
        input_digest=input_digest,
        completed_at=now,
    )
    _audit(session, Action.ANALYSIS_NOT_APPLICABLE, analysis_id, actor, now, detail={"reason": reason})
    close_study_when_settled(session, _study_id(session, analysis_id), now=now)


def postpone_analysis(
    session: Session, held: Lease, *, not_before: datetime, error: str, now: datetime
) -> None:
    """Give the job back after a temporary failure; raises :class:`~dicom_node.errors.LeaseLost`."""
    jobs.give_back(session, held, not_before=not_before, error=error, now=now)
    _move(session, AnalysisId(held.subject_id), AnalysisState.REQUESTED, {AnalysisState.RUNNING})


def fail_analysis(session: Session, held: Lease, *, reason: str, actor: str, now: datetime) -> None:
    """Enter that reading failed for good, and bury the job; raises :class:`~dicom_node.errors.LeaseLost`."""
    jobs.bury(session, held, error=reason, now=now)
    fail_dead_analysis(session, AnalysisId(held.subject_id), reason=reason, actor=actor, now=now)


def fail_dead_analysis(
    session: Session, analysis_id: AnalysisId, *, reason: str, actor: str, now: datetime
) -> None:
    """Enter that an Analysis whose job is DEAD has failed."""
    _move(
        session,
        analysis_id,
        AnalysisState.FAILED,
        {AnalysisState.RUNNING, AnalysisState.REQUESTED},
        reason=reason,
        completed_at=now,
    )
    _audit(
        session,
        Action.ANALYSIS_FAILED,
        analysis_id,
        actor,
        now,
        detail={"reason": reason},
    )
    close_study_when_settled(session, _study_id(session, analysis_id), now=now)


_SELECT = (
    sa.select(
        analyses,
        studies.c.study_instance_uid,
        studies.c.patient_id,
        models.c.name,
        models.c.version,
        models.c.weights_sha256,
    )
    .join(studies, studies.c.id == analyses.c.study_id)
    .join(models, models.c.id == analyses.c.model_id)
)


def _with_findings(session: Session, rows: Iterable[sa.Row[Any]]) -> list[Analysis]:
    wanted = list(rows)
    said: dict[Any, list[Finding]] = {row.id: [] for row in wanted}
    for row in session.execute(
        sa.select(findings)
        .where(findings.c.analysis_id.in_(list(said)))
        .order_by(findings.c.probability.desc(), findings.c.condition)
    ):
        said[row.analysis_id].append(
            Finding(
                condition=Condition(row.condition),
                probability=row.probability,
                operating_point=row.operating_point,
                presence=Presence(row.presence),
            )
        )
    return [_analysis_of(row, tuple(said[row.id])) for row in wanted]


def _analysis_of(row: sa.Row[Any], said: tuple[Finding, ...]) -> Analysis:
    return Analysis(
        analysis_id=AnalysisId(row.id),
        study_instance_uid=StudyInstanceUID(row.study_instance_uid),
        model=ModelIdentity(name=row.name, version=row.version, weights_sha256=row.weights_sha256),
        revision=row.revision,
        mode=ModelMode(row.mode),
        state=AnalysisState(row.state),
        reason=row.reason,
        input_digest=row.input_digest,
        findings=said,
        priority=row.priority,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )


def _is_shadow(session: Session, analysis_id: AnalysisId) -> bool:
    mode = session.execute(sa.select(analyses.c.mode).where(analyses.c.id == analysis_id)).scalar_one()
    return ModelMode(mode) is ModelMode.SHADOW


def _hasten_study(session: Session, study_id: int, priority: int) -> None:
    """Let the study be at least as urgent as that."""
    session.execute(
        sa.update(studies)
        .where(studies.c.id == study_id, studies.c.priority > priority)
        .values(priority=priority)
    )


def _insert_findings(session: Session, analysis_id: AnalysisId, said: tuple[Finding, ...]) -> None:
    session.execute(
        sa.insert(findings),
        [
            {
                "analysis_id": analysis_id,
                "condition": finding.condition.value,
                "probability": finding.probability,
                "operating_point": finding.operating_point,
                "presence": finding.presence.value,
            }
            for finding in said
        ],
    )


def _move(
    session: Session,
    analysis_id: AnalysisId,
    after: AnalysisState,
    before: set[AnalysisState],
    **values: object,
) -> None:
    moved = session.execute(
        sa.update(analyses)
        .where(analyses.c.id == analysis_id, analyses.c.state.in_([state.value for state in before]))
        .values(state=after.value, **values)
        .returning(analyses.c.id)
    ).first()
    if moved is None:
        raise StateConflict(f"analysis {analysis_id} cannot become {after.value}")


def _study_id(session: Session, analysis_id: AnalysisId) -> int:
    return int(
        session.execute(sa.select(analyses.c.study_id).where(analyses.c.id == analysis_id)).scalar_one()
    )


def _audit(
    session: Session,
    action: Action,
    analysis_id: AnalysisId,
    actor: str,
    now: datetime,
    detail: dict[str, str | int | float | None] | None = None,
) -> None:
    row = session.execute(_SELECT.where(analyses.c.id == analysis_id)).one()
    event = AuditEvent(
        action=action,
        actor=actor,
        study_instance_uid=row.study_instance_uid,
        patient_id=row.patient_id,
        subject=str(analysis_id),
        detail={
            "model": f"{row.name} {row.version}",
            "revision": row.revision,
            "mode": row.mode,
            **(detail or {}),
        },
    )
    audit_trail.record(session, [event], at=now)
