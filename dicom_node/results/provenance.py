"""Who said what of which images, and when: the facts that every output of one Analysis shares."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from pydicom.dataset import Dataset

from dicom_node.domain.finding import Condition, Finding, ModelIdentity, OutputRole
from dicom_node.domain.identifiers import AnalysisId, StudyInstanceUID, derived_uid

MANUFACTURER = "dicom-node"
"""Manufacturer (0008,0070) of everything that the node makes; its own outputs are known by it."""

_FARTHEST_OFFSET = timedelta(hours=14)
"""PS3.3 C.12.1.1.8: -1200 to +1400."""

CONTENT_QUALIFICATIONS = frozenset({"RESEARCH", "PRODUCT", "SERVICE"})
"""Content Qualification (0018,9004), PS3.3 C.12.1."""


class SaliencyMethod(Enum):
    """How the heat map was computed; the value is what people read (codes: PS3.16 CID 217)."""

    CLASS_ACTIVATION = "class activation map"
    GRADIENT_WEIGHTED = "gradient-weighted class activation map"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContext:
    """One Analysis as its outputs must tell it; equal contexts give byte-identical outputs.

    Raises
    ------
    ValueError
        Nothing was found or read, a source is of another study, a probability is none, the explained
        condition was not found, the time has no zone or the qualification is not one of the standard's.
    """

    analysis_id: AnalysisId
    study_instance_uid: StudyInstanceUID
    model: ModelIdentity
    revision: int
    """1 for the first Analysis of the study by this model; each later one is a new document."""
    findings: tuple[Finding, ...]
    """Most probable first."""
    priority: int
    """0 is most urgent, 9 least."""
    created_at: datetime
    """Aware, and kept with the Analysis, so that a rebuild says the same."""
    sources: tuple[Dataset, ...]
    """Headers of every Instance that was read, in any order; pixel data are not needed."""
    content_qualification: str
    """RESEARCH, PRODUCT or SERVICE."""
    parameters: tuple[str, ...]
    """What else decided the result, as text: operating points, calibration, gate."""
    software_version: str
    input_digest: str
    """SHA-256 over the sorted (SOP Instance UID, SHA-256) of what was read."""
    saliency_method: SaliencyMethod = SaliencyMethod.CLASS_ACTIVATION
    explained_condition: Condition | None = None
    """The condition that the heat map explains; unset: the most probable one."""
    predecessors: tuple[Dataset, ...] = ()
    """Earlier reports that this one follows (headers)."""

    def __post_init__(self) -> None:
        if not self.findings or not self.sources:
            raise ValueError("a result needs at least one finding and one source")
        if any(source.StudyInstanceUID != self.study_instance_uid for source in self.sources):
            raise ValueError("every source must be of the study that the result is about")
        if any(not 0 <= finding.probability <= 1 for finding in self.findings):
            raise ValueError("a probability lies in 0..1")
        if self.explained_condition not in {None, *(finding.condition for finding in self.findings)}:
            raise ValueError("the heat map must explain one of the findings")
        if self.created_at.tzinfo is None:
            raise ValueError("created_at must know its time zone")
        if self.content_qualification not in CONTENT_QUALIFICATIONS:
            raise ValueError(f"{self.content_qualification!r} is no Content Qualification")

    @property
    def ordered_sources(self) -> tuple[Dataset, ...]:
        """The sources in an order of their own, whatever order they came in."""
        return tuple(sorted(self.sources, key=_place_in_study))

    @property
    def explained_finding(self) -> Finding:
        """The finding that the heat map shows the evidence for."""
        by_condition = {finding.condition: finding for finding in self.findings}
        if self.explained_condition is None:
            return self.findings[0]
        return by_condition[self.explained_condition]

    @property
    def device_uid(self) -> str:
        """Device UID (0018,1002): another one for each build of the weights (IHE AIR 6.5.3.1)."""
        return derived_uid("device", self.model.name, self.model.version, self.model.weights_sha256)

    @property
    def local_created_at(self) -> datetime:
        """``created_at`` in the time zone that governs the study's dates and times.

        Timezone Offset From UTC (0008,0201) speaks of every time of a data set, the copied Study Time too
        (PS3.3 C.12.1.1.8), so the source's offset is kept; a source without one means this machine's zone.
        """
        offset = str(self.ordered_sources[0].get("TimezoneOffsetFromUTC") or "")
        if len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdigit():
            return self.created_at.astimezone()
        distance = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
        if distance > _FARTHEST_OFFSET:
            return self.created_at.astimezone()
        return self.created_at.astimezone(timezone(-distance if offset[0] == "-" else distance))

    def sop_instance_uid(self, role: OutputRole) -> str:
        """Return the UID of this Analysis' output: the same study, model, revision and role, the same UID."""
        model = self.model
        return derived_uid(
            "instance",
            role.value,
            self.study_instance_uid,
            model.name,
            model.version,
            model.weights_sha256,
            str(self.revision),
        )

    def series_instance_uid(self, role: OutputRole) -> str:
        """Return the UID of the series in which one kind of output of one model stands in the study."""
        return derived_uid("series", role.value, self.study_instance_uid, self.model.name, self.model.version)

    def tracking_uid(self, condition: Condition) -> str:
        """Return the Tracking Unique Identifier, which stays when a newer version reads the study again."""
        return derived_uid("tracking", self.study_instance_uid, self.model.name, condition.value)


def is_own_output(dataset: Dataset) -> bool:
    """Tell whether a node of this software made the Instance or had a part in making it.

    Needs Manufacturer (0008,0070) and Contributing Equipment Sequence (0018,A001) only, so it also knows an
    output whose series a PACS has coerced. Such an Instance must not be read again: it would be a loop.
    """
    makers = [dataset, *(dataset.get("ContributingEquipmentSequence") or [])]
    return any(str(maker.get("Manufacturer") or "").strip() == MANUFACTURER for maker in makers)


def _place_in_study(source: Dataset) -> tuple[str, float, str]:
    number = source.get("InstanceNumber")
    return (
        str(source.SeriesInstanceUID),
        math.inf if number in (None, "") else float(number),
        str(source.SOPInstanceUID),
    )
