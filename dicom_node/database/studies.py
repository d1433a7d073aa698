"""Studies, their Series and Instances: reception and reading back."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database import audit_trail
from dicom_node.database.statements import insert_or_ignore, locked, upsert
from dicom_node.database.tables import instances, series, studies, study_associations
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.identifiers import SeriesInstanceUID, SOPInstanceUID, StudyInstanceUID
from dicom_node.domain.study import (
    CompletionReason,
    InstanceHeader,
    QuietPeriods,
    StoredInstance,
    Study,
    StudyState,
)
from dicom_node.errors import InstanceRefused, RefusalReason


class Recorded(Enum):
    """What became of an Instance that was taken."""

    NEW = "new"
    LATE = "late"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """Where the bytes of an Instance lie and what they are."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The association that brings an Instance."""

    association_id: str
    calling_ae_title: str


def record_instance(
    session: Session,
    header: InstanceHeader,
    file: ArchivedFile,
    *,
    sender: Sender,
    quiet: QuietPeriods,
    now: datetime,
) -> Recorded:
    """Enter an Instance whose bytes already lie in the archive, with its audit event.

    Raises
    ------
    InstanceRefused
        The Patient ID differs from the study's, or another content is stored under the same UID.
    """
    _open_study(session, header, quiet, now)
    study = lock_study(session, header.study_instance_uid)
    if study.patient_id != header.patient_id:
        raise InstanceRefused(header.sop_instance_uid, RefusalReason.PATIENT_MISMATCH)
    is_new = _enter_instance(session, study, header, file, sender, now)
    upsert(
        session,
        study_associations,
        {"study_id": study.id, "association_id": sender.association_id},
        {"calling_ae_title": sender.calling_ae_title, "last_instance_at": now, "released_at": None},
    )
    if study.state == StudyState.RECEIVING.value:
        session.execute(
            sa.update(studies).where(studies.c.id == study.id).values(complete_after=now + quiet.silence)
        )
    if not is_new:
        _audit_instance(session, Action.INSTANCE_DUPLICATE, header, file, sender, now)
        return Recorded.DUPLICATE
    _audit_instance(session, Action.INSTANCE_RECEIVED, header, file, sender, now)
    if study.state == StudyState.RECEIVING.value:
        return Recorded.NEW
    _amend(session, study, header, sender, now)
    return Recorded.LATE


def find_study(session: Session, study_instance_uid: str) -> Study | None:
    """Return the study, or None."""
    row = session.execute(
        sa.select(studies).where(studies.c.study_instance_uid == study_instance_uid)
    ).first()
    return None if row is None else study_of(row)


def instances_of(session: Session, study_instance_uid: str) -> tuple[StoredInstance, ...]:
    """Return every stored Instance of the study, in the order of arrival."""
    rows = session.execute(
        sa.select(instances, series.c.series_instance_uid, series.c.modality)
        .join(series, series.c.id == instances.c.series_id)
        .join(studies, studies.c.id == series.c.study_id)
        .where(studies.c.study_instance_uid == study_instance_uid)
        .order_by(instances.c.id)
    )
    return tuple(
        StoredInstance(
            sop_instance_uid=SOPInstanceUID(row.sop_instance_uid),
            series_instance_uid=SeriesInstanceUID(row.series_instance_uid),
            sop_class_uid=row.sop_class_uid,
            transfer_syntax_uid=row.transfer_syntax_uid,
            modality=row.modality,
            path=row.path,
            sha256=row.sha256,
            size=row.size,
            late=row.late,
        )
        for row in rows
    )


def is_recorded(session: Session, sop_instance_uid: str, sha256: str) -> bool:
    """Tell whether a row refers to this content under this SOP Instance UID."""
    found = session.execute(
        sa.select(instances.c.id).where(
            instances.c.sop_instance_uid == sop_instance_uid, instances.c.sha256 == sha256
        )
    ).first()
    return found is not None


def modalities_of(session: Session, study_instance_uid: str) -> frozenset[str]:
    """Return the Modality of every series of the study."""
    rows = session.execute(
        sa.select(series.c.modality)
        .distinct()
        .join(studies, studies.c.id == series.c.study_id)
        .where(studies.c.study_instance_uid == study_instance_uid)
    )
    return frozenset(rows.scalars())


def lock_study(session: Session, study_instance_uid: StudyInstanceUID) -> sa.Row[Any]:
    """Return the row of the study, locked until the transaction ends."""
    return session.execute(
        locked(session, sa.select(studies).where(studies.c.study_instance_uid == study_instance_uid))
    ).one()


def input_digest(read: tuple[StoredInstance, ...]) -> str:
    """Return the SHA-256 over the sorted (SOP Instance UID, content digest) of what was read."""
    lines = sorted(f"{instance.sop_instance_uid} {instance.sha256}\n" for instance in read)
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


def study_of(row: sa.Row[Any]) -> Study:
    """Return the domain value of a row of ``studies``."""
    reason = row.completion_reason
    return Study(
        study_instance_uid=StudyInstanceUID(row.study_instance_uid),
        state=StudyState(row.state),
        modality=row.modality,
        patient_id=row.patient_id,
        patient_name=row.patient_name,
        accession_number=row.accession_number,
        study_date=row.study_date,
        study_description=row.study_description,
        received_at=row.received_at,
        completed_at=row.completed_at,
        completion_reason=CompletionReason[reason] if reason else None,
        last_released_at=row.last_released_at,
        instance_count=row.instance_count,
        late_instance_count=row.late_instance_count,
        priority=row.priority,
    )


def _open_study(session: Session, header: InstanceHeader, quiet: QuietPeriods, now: datetime) -> None:
    insert_or_ignore(
        session,
        studies,
        {
            "study_instance_uid": header.study_instance_uid,
            "state": StudyState.RECEIVING.value,
            "modality": header.modality,
            "patient_id": header.patient_id,
            "issuer_of_patient_id": header.issuer_of_patient_id,
            "patient_name": header.patient_name,
            "patient_birth_date": header.patient_birth_date,
            "patient_sex": header.patient_sex,
            "accession_number": header.accession_number,
            "study_date": header.study_date,
            "study_time": header.study_time,
            "study_description": header.study_description,
            "received_at": now,
            "last_instance_at": now,
            "complete_after": now + quiet.silence,
        },
    )


def _enter_instance(
    session: Session,
    study: sa.Row[Any],
    header: InstanceHeader,
    file: ArchivedFile,
    sender: Sender,
    now: datetime,
) -> bool:
    insert_or_ignore(
        session,
        series,
        {
            "study_id": study.id,
            "series_instance_uid": header.series_instance_uid,
            "modality": header.modality,
            "series_number": header.series_number,
            "series_description": header.series_description,
            "body_part_examined": header.body_part_examined,
        },
    )
    series_id = session.execute(
        sa.select(series.c.id).where(
            series.c.study_id == study.id, series.c.series_instance_uid == header.series_instance_uid
        )
    ).scalar_one()
    is_new = insert_or_ignore(
        session,
        instances,
        {
            "series_id": series_id,
            "sop_instance_uid": header.sop_instance_uid,
            "sop_class_uid": header.sop_class_uid,
            "transfer_syntax_uid": header.transfer_syntax_uid,
            "path": file.path,
            "sha256": file.sha256,
            "size": file.size,
            "calling_ae_title": sender.calling_ae_title,
            "received_at": now,
            "late": study.state != StudyState.RECEIVING.value,
        },
    )
    if is_new:
        session.execute(
            sa.update(studies)
            .where(studies.c.id == study.id)
            .values(instance_count=studies.c.instance_count + 1, last_instance_at=now)
        )
    else:
        _check_same_content(session, header.sop_instance_uid, file, series_id)
    return is_new


def _check_same_content(
    session: Session, sop_instance_uid: SOPInstanceUID, file: ArchivedFile, series_id: int
) -> None:
    stored = session.execute(
        sa.select(instances.c.sha256, instances.c.series_id).where(
            instances.c.sop_instance_uid == sop_instance_uid
        )
    ).one()
    if stored.sha256 != file.sha256 or stored.series_id != series_id:
        raise InstanceRefused(sop_instance_uid, RefusalReason.CONFLICT)


def _amend(
    session: Session,
    study: sa.Row[Any],
    header: InstanceHeader,
    sender: Sender,
    now: datetime,
) -> None:
    session.execute(
        sa.update(studies)
        .where(studies.c.id == study.id)
        .values(state=StudyState.AMENDED.value, late_instance_count=studies.c.late_instance_count + 1)
    )
    audit_trail.record(
        session,
        [
            AuditEvent(
                action=Action.STUDY_AMENDED,
                actor=sender.calling_ae_title,
                study_instance_uid=header.study_instance_uid,
                patient_id=header.patient_id,
                subject=header.sop_instance_uid,
                detail={"before": str(study.state)},
            )
        ],
        at=now,
    )


def _audit_instance(
    session: Session,
    action: Action,
    header: InstanceHeader,
    file: ArchivedFile,
    sender: Sender,
    now: datetime,
) -> None:
    event = AuditEvent(
        action=action,
        actor=sender.calling_ae_title,
        study_instance_uid=header.study_instance_uid,
        patient_id=header.patient_id,
        subject=header.sop_instance_uid,
        detail={"sha256": file.sha256, "size": file.size, "association": sender.association_id},
    )
    audit_trail.record(session, [event], at=now)
