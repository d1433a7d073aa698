"""Analyses and their Findings: what one model said of one study."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.identifiers import AnalysisId, StudyInstanceUID


class AnalysisState(Enum):
    """How far along an Analysis is."""

    REQUESTED = "REQUESTED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    FAILED = "FAILED"


ANALYSIS_MOVES: dict[AnalysisState, frozenset[AnalysisState]] = {
    AnalysisState.REQUESTED: frozenset({AnalysisState.RUNNING, AnalysisState.FAILED}),
    AnalysisState.RUNNING: frozenset(
        {
            AnalysisState.REQUESTED,
            AnalysisState.COMPLETED,
            AnalysisState.NOT_APPLICABLE,
            AnalysisState.FAILED,
        }
    ),
    AnalysisState.COMPLETED: frozenset(),
    AnalysisState.NOT_APPLICABLE: frozenset(),
    AnalysisState.FAILED: frozenset({AnalysisState.REQUESTED}),
}


class Presence(Enum):
    """What the score says when it is compared with its operating point (CID 240, 121059 DCM)."""

    PRESENT = "present"
    UNDETERMINED = "undetermined"
    ABSENT = "absent"


class Condition(Enum):
    """What a model can name; the value is the label that models use."""

    COVID19 = "covid19"
    PNEUMONIA_BACTERIAL = "pneumonia_bacterial"
    PNEUMONIA_VIRAL = "pneumonia_viral"
    TUBERCULOSIS = "tuberculosis"
    NON_COVID = "non_covid"
    NORMAL = "normal"

    @property
    def title(self) -> str:
        """The name shown to people."""
        return _TITLES[self]


_TITLES = {
    Condition.COVID19: "COVID-19 pneumonia",
    Condition.PNEUMONIA_BACTERIAL: "Bacterial pneumonia",
    Condition.PNEUMONIA_VIRAL: "Viral pneumonia",
    Condition.TUBERCULOSIS: "Pulmonary tuberculosis",
    Condition.NON_COVID: "Not COVID-19 (other or normal)",
    Condition.NORMAL: "Normal (none of the trained conditions)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement of an Analysis: a condition, how probable, and what that means here."""

    condition: Condition
    probability: float
    """0..1, after calibration."""
    operating_point: float
    """The threshold, chosen on validation data, that the probability is compared with."""
    presence: Presence


def impression_of(findings: Sequence[Finding]) -> Finding | None:
    """Return the most probable Finding at or above its operating point; a mere favourite is none."""
    return next((finding for finding in findings if finding.presence is Presence.PRESENT), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which model spoke: every build of the weights is another one."""

    name: str
    version: str
    weights_sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One model reading one study."""

    analysis_id: AnalysisId
    study_instance_uid: StudyInstanceUID
    model: ModelIdentity
    revision: int
    mode: ModelMode
    """ACTIVE or SHADOW, as it was requested: a later promotion does not rewrite it."""
    state: AnalysisState
    reason: str
    """Why NOT_APPLICABLE or FAILED; empty otherwise."""
    input_digest: str
    """SHA-256 over the sorted (SOP Instance UID, SHA-256) of what was read; empty until read."""
    findings: tuple[Finding, ...]
    """Most probable first; empty unless COMPLETED."""
    priority: int
    created_at: datetime
    started_at: datetime | None
    """When a worker last took it up."""
    completed_at: datetime | None


class OutputRole(Enum):
    """What an instance that the node makes is for."""

    REPORT = "SR"
    HEATMAP = "SC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A DICOM instance that the node made, its bytes written once."""

    role: OutputRole
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    path: str
    """Relative to the archive's root."""
    sha256: str
    size: int
