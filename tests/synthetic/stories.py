"""Short ways to a study, an Analysis or a Delivery in a wanted state, by the functions of the node itself."""

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from dicom_node.database import analyses, completion, jobs, model_register, studies
from dicom_node.database.analyses import ReadingResult
from dicom_node.database.engine import Database
from dicom_node.database.model_register import RegisteredModel
from dicom_node.database.studies import ArchivedFile, Recorded, Sender
from dicom_node.domain.delivery import Order
from dicom_node.domain.finding import Condition, Finding, ModelIdentity, Output, OutputRole, Presence
from dicom_node.domain.identifiers import (
    AnalysisId,
    JobId,
    SeriesInstanceUID,
    SOPInstanceUID,
    StudyInstanceUID,
    derived_uid,
)
from dicom_node.domain.job import Lease, Queue
from dicom_node.domain.study import InstanceHeader, QuietPeriods

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
QUIET = QuietPeriods(radiograph=0.3 * SECOND, ct=2 * SECOND, silence=10 * SECOND)
LEASE = 60 * SECOND
CXR = ModelIdentity(name="cxr-model", version="1.0.0", weights_sha256="c" * 64)
CT = ModelIdentity(name="ct-model", version="2.1.0", weights_sha256="d" * 64)
PACS = "PACS@127.0.0.1:4242"
BACKUP = "BACKUP@127.0.0.1:4243"


def study_uid(number: int = 1) -> StudyInstanceUID:
    return StudyInstanceUID(f"1.2.826.0.1.3680043.10.1.{number}")


def header(study: StudyInstanceUID, number: int = 1, **changes: str) -> InstanceHeader:
    given: dict[str, str] = {"modality": "DX", "patient_id": "P1", "patient_name": "DOE^JANE", **changes}
    return InstanceHeader(
        study_instance_uid=study,
        series_instance_uid=SeriesInstanceUID(given.pop("series_instance_uid", f"{study}.1")),
        sop_instance_uid=SOPInstanceUID(given.pop("sop_instance_uid", f"{study}.1.{number}")),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        study_date="20260302",
        **given,
    )


def archived(content: str) -> ArchivedFile:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return ArchivedFile(path=f"00/{digest}.dcm", sha256=digest, size=len(content))


def receive(
    session: Session,
    read: InstanceHeader,
    *,
    association: str = "association-1",
    content: str | None = None,
    now: datetime = NOON,
) -> Recorded:
    return studies.record_instance(
        session,
        read,
        archived(content or read.sop_instance_uid),
        sender=Sender(association_id=association, calling_ae_title="SENDER"),
        quiet=QUIET,
        now=now,
    )


def receive_study(
    database: Database, number: int = 1, *, instances: int = 1, **changes: str
) -> StudyInstanceUID:
    """A study whose instances came over one association, which is released."""
    uid = study_uid(number)
    association = f"association-{number}"
    with database.begin() as session:
        for instance in range(1, instances + 1):
            receive(session, header(uid, instance, **changes), association=association)
        completion.record_release(session, association, quiet=QUIET, now=NOON)
    return uid


def complete_study(database: Database, number: int = 1, **changes: str) -> StudyInstanceUID:
    uid = receive_study(database, number, **changes)
    with database.begin() as session:
        completion.complete_study(session, uid, now=NOON + SECOND)
    return uid


def register(database: Database, *identities: ModelIdentity) -> None:
    registered = [RegisteredModel(identity=one, modalities=frozenset({"CR", "DX"})) for one in identities]
    with database.begin() as session:
        model_register.register_models(session, registered, actor="test", now=NOON)


def request_analyses(
    database: Database, *models: ModelIdentity, number: int = 1, priority: int = 5, now: datetime = NOON
) -> list[AnalysisId]:
    """Complete a study and ask the models to read it."""
    register(database, *models)
    uid = complete_study(database, number)
    with database.begin() as session:
        return [
            analyses.request_analysis(session, uid, model, priority=priority, now=now) for model in models
        ]


def claim(database: Database, queue: Queue, *, now: datetime = NOON, owner: str = "slot-0") -> Lease:
    """Ring for the most urgent job of the queue and claim it."""
    with database.begin() as session:
        (job_id,) = jobs.mark_queued(session, queue, window=1 + queued(session, queue), now=now)
        held = jobs.claim(session, job_id, owner=owner, lease=LEASE, now=now)
    assert held is not None
    return held


def queued(session: Session, queue: Queue) -> int:
    return sum(
        number
        for (of_queue, state), number in jobs.counts(session).items()
        if of_queue is queue and state.value == "QUEUED"
    )


def claim_by_id(database: Database, job_id: JobId, *, now: datetime, owner: str = "slot-0") -> Lease | None:
    with database.begin() as session:
        return jobs.claim(session, job_id, owner=owner, lease=LEASE, now=now)


def start(database: Database, *, now: datetime = NOON, owner: str = "slot-0") -> Lease:
    """Claim the most urgent Analysis and start it."""
    held = claim(database, Queue.ANALYSIS, now=now, owner=owner)
    with database.begin() as session:
        analyses.start_analysis(session, held, actor=f"worker:{owner}", now=now)
    return held


def reading(held: Lease, *, priority: int = 5) -> ReadingResult:
    """What a worker would have made of the held job."""
    analysis = str(held.subject_id)
    return ReadingResult(
        findings=(
            Finding(
                condition=Condition.COVID19,
                probability=0.91,
                operating_point=0.5,
                presence=Presence.PRESENT,
            ),
            Finding(
                condition=Condition.NORMAL, probability=0.03, operating_point=0.5, presence=Presence.ABSENT
            ),
        ),
        outputs=tuple(
            Output(
                role=role,
                sop_instance_uid=derived_uid(analysis, role.value),
                sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
                series_instance_uid=derived_uid(analysis, role.value, "series"),
                path=f"00/{analysis}-{role.value}.dcm",
                sha256="e" * 64,
                size=10,
            )
            for role in OutputRole
        ),
        input_digest="f" * 64,
        priority=priority,
    )


def finish(
    database: Database,
    held: Lease,
    *,
    destinations: tuple[str, ...] = (),
    priority: int = 5,
    now: datetime = NOON,
) -> None:
    with database.begin() as session:
        analyses.complete_analysis(
            session,
            held,
            reading(held, priority=priority),
            destinations=tuple(Order(destination=name) for name in destinations),
            actor="worker:slot-0",
            now=now,
        )


def deliver(database: Database, *destinations: str, number: int = 1) -> list[Lease]:
    """Complete an Analysis with Destinations and claim each of its delivery jobs."""
    request_analyses(database, CXR, number=number)
    finish(database, start(database), destinations=destinations)
    return [claim(database, Queue.DELIVERY, owner=f"slot-{n}") for n, _ in enumerate(destinations)]
