"""Studies and their Instances as the node knows them: identity, origin and how far along they are."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from dicom_node.domain.identifiers import SeriesInstanceUID, SOPInstanceUID, StudyInstanceUID


class StudyState(Enum):
    """How far along a study is."""

    RECEIVING = "RECEIVING"
    COMPLETE = "COMPLETE"
    DONE = "DONE"
    AMENDED = "AMENDED"


STUDY_MOVES: dict[StudyState, frozenset[StudyState]] = {
    StudyState.RECEIVING: frozenset({StudyState.COMPLETE}),
    StudyState.COMPLETE: frozenset({StudyState.DONE, StudyState.AMENDED}),
    StudyState.DONE: frozenset({StudyState.AMENDED}),
    StudyState.AMENDED: frozenset(),
}


class CompletionReason(Enum):
    """Why the node judged a study to be whole; DICOM itself has no end of a study."""

    ASSOCIATIONS_RELEASED = "every association that brought it was released, then quiet"
    SILENCE = "no association release came; silence since the last instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHeader:
    """What the node reads from an Instance's header at reception.

    Text values are as the sender wrote them, empty when absent. ``study_date`` is a DICOM DA (YYYYMMDD).
    """

    study_instance_uid: StudyInstanceUID
    series_instance_uid: SeriesInstanceUID
    sop_instance_uid: SOPInstanceUID
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    series_number: str = ""
    series_description: str = ""
    body_part_examined: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstance:
    """An Instance whose bytes lie in the archive."""

    sop_instance_uid: SOPInstanceUID
    series_instance_uid: SeriesInstanceUID
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    path: str
    """Relative to the archive's root."""
    sha256: str
    size: int
    late: bool
    """Came after the study was judged complete; not part of revision 1 of any Analysis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study as the database knows it."""

    study_instance_uid: StudyInstanceUID
    state: StudyState
    modality: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_date: str
    study_description: str
    received_at: datetime
    completed_at: datetime | None
    completion_reason: CompletionReason | None
    last_released_at: datetime | None
    """When the last association that brought it was released: the zero of every turnaround time."""
    instance_count: int
    late_instance_count: int
    priority: int
    """0 is most urgent, 9 least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietPeriods:
    """How long the node waits for more of a study."""

    radiograph: timedelta
    ct: timedelta
    silence: timedelta

    def after_release(self, modality: str) -> timedelta:
        """Return the quiet that follows the last release."""
        return self.radiograph if modality in {"CR", "DX"} else self.ct
