"""A received, complete study with its analysis job, by the functions of the node itself."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydicom import Dataset

from dicom_node.database import completion, jobs, studies
from dicom_node.database.studies import ArchivedFile, Sender
from dicom_node.domain.identifiers import JobId, SeriesInstanceUID, SOPInstanceUID, StudyInstanceUID
from dicom_node.domain.job import Queue
from dicom_node.domain.study import InstanceHeader
from dicom_node.intake.completion import close_studies
from dicom_node.resources import Resources
from tests.synthetic import studies as synthetic


def rung_analysis(resources: Resources, datasets: Sequence[Dataset]) -> JobId:
    """Receive the study, complete it, and ring for its one analysis job."""
    receive_and_complete(resources, datasets)
    with resources.database.begin() as session:
        (job_id,) = jobs.mark_queued(
            session, Queue.ANALYSIS, window=5, now=resources.database.now(session) + timedelta(minutes=2)
        )
    return job_id


def receive_and_complete(resources: Resources, datasets: Sequence[Dataset]) -> None:
    """Receive a study over an association of its own, and complete it as the dispatcher would."""
    now = receive(resources, datasets)
    assert close_studies(resources, now + timedelta(minutes=1)).completed == 1


def receive(resources: Resources, datasets: Sequence[Dataset]) -> datetime:
    """Receive a study over an association of its own, which is released; return when."""
    association = str(uuid.uuid4())
    with resources.database.begin() as session:
        now = resources.database.now(session)
        for dataset in datasets:
            studies.record_instance(
                session,
                _header(dataset),
                _archived(resources, dataset),
                sender=Sender(association_id=association, calling_ae_title="MODALITY"),
                quiet=resources.quiet_periods,
                now=now,
            )
        completion.record_release(session, association, quiet=resources.quiet_periods, now=now)
    return now


def _archived(resources: Resources, dataset: Dataset) -> ArchivedFile:
    content = synthetic.part10(dataset)
    path, sha256 = resources.archive.put(dataset.SOPInstanceUID, content)
    return ArchivedFile(path=path, sha256=sha256, size=len(content))


def _header(dataset: Dataset) -> InstanceHeader:
    return InstanceHeader(
        study_instance_uid=StudyInstanceUID(dataset.StudyInstanceUID),
        series_instance_uid=SeriesInstanceUID(dataset.SeriesInstanceUID),
        sop_instance_uid=SOPInstanceUID(dataset.SOPInstanceUID),
        sop_class_uid=dataset.SOPClassUID,
        transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
        modality=dataset.Modality,
        patient_id=dataset.PatientID,
    )
