"""Routing: what is known of a study when it is complete, and what the rules decide for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from dicom_node.domain.deployment import ModelMode as ModelMode  # noqa: PLC0414 - part of these words
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.identifiers import StudyInstanceUID

KEPT_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "PN"}
    | {"SH", "SL", "SS", "SV", "TM", "UC", "UI", "UL", "UR", "US", "UV"}  # PS3.5 Table 6.2-1
)
"""Value Representations that a kept header has: no sequences, bulk data or long texts."""


class RuleAction(Enum):
    """What becomes of a study that a rule takes."""

    READ = "read"
    HOLD = "hold"
    """Nothing until a person releases it."""
    DROP = "drop"
    """Kept, and neither read nor forwarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """What rules may ask of a series: the header of the first of its Instances that came."""

    series_instance_uid: str
    sop_class_uids: frozenset[str]
    header: Mapping[str, tuple[str, ...]]
    """DICOM keyword to its values as text; sequences, bulk data and long texts are left out."""

    @property
    def modality(self) -> str:
        """Modality (0008,0060), empty when absent."""
        return next(iter(self.header.get("Modality", ())), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """Everything that a routing decision depends on, besides the rules: the same facts, the same decision."""

    study_instance_uid: StudyInstanceUID
    calling_ae_titles: frozenset[str]
    completed_at: datetime
    series: tuple[SeriesFacts, ...]

    @property
    def modalities(self) -> frozenset[str]:
        """Modalities of all series."""
        return frozenset(series.modality for series in self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model that some worker has now; only such are asked."""

    model: ModelIdentity
    modalities: frozenset[str]
    """Modalities of the studies that it reads."""
    active: bool
    """Whether its name, without a version, means this one, and it reads where the routes name no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model that is to read a study, and whether what it says may leave."""

    model: ModelIdentity
    mode: ModelMode
    """ACTIVE or SHADOW: a canary's share is decided by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules say of one study."""

    rules: tuple[str, ...]
    """Names of the rules that took it, in their order; ``default`` when none did."""
    action: RuleAction = RuleAction.READ
    models: tuple[ModelChoice, ...] = ()
    destinations: tuple[str, ...] = ()
    """Names of the Destinations that results go to."""
    forward: tuple[str, ...] = ()
    """Names of the Destinations that the original Instances go to."""
    priority: int | None = None
    """0 most urgent, 9 least; None leaves it as it is."""
    deidentify: bool = False
    """Whatever leaves is de-identified (PS3.15 Annex E, Basic Application Level Confidentiality Profile)."""
    left_out: tuple[str, ...] = ()
    """Why models that the rules or stages name are not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseVerdict:
    """One clause of a rule, compared with what the study has."""

    clause: str
    wanted: str
    found: tuple[str, ...]
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """A rule with every clause compared; it holds when all of them do."""

    rule: str
    clauses: tuple[ClauseVerdict, ...]
    series_instance_uid: str = ""
    """The series that fits most of the clauses about series; empty where there are none."""

    @property
    def holds(self) -> bool:
        """Whether the rule takes the study."""
        return all(clause.holds for clause in self.clauses)
