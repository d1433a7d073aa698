"""Which film or series of a study a model can read, by headers alone; what it cannot read gets a reason.

The pixels have their say later (the chest gate, the lung on each slice): here a header that contradicts the
model is enough to refuse, and one that says nothing is left to the pixels.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from pydicom import Dataset

from dicom_node.domain.identifiers import SeriesInstanceUID, SOPInstanceUID
from dicom_node.errors import NotApplicable
from models.contract import ImageKind
from worker.body_region import text_of
from worker.ct_choice import choose_ct
from worker.film_choice import choose_film

_MOST_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a study a model reads."""

    kind: ImageKind
    headers: tuple[Dataset, ...]
    """One film, or one CT series along its normal (feet to head for ordinary axial slices)."""
    notes: tuple[str, ...]
    """What a reader should know of the choice, in short sentences; empty when the headers say all."""

    @property
    def series_instance_uid(self) -> SeriesInstanceUID:
        """The series that was chosen."""
        return SeriesInstanceUID(str(self.headers[0].SeriesInstanceUID))

    @property
    def sop_instance_uids(self) -> tuple[SOPInstanceUID, ...]:
        """The Instances that were chosen, in the order of ``headers``."""
        return tuple(SOPInstanceUID(str(header.SOPInstanceUID)) for header in self.headers)


def select_series(headers: Iterable[Dataset], kind: ImageKind) -> Selection:
    """Return the film or the CT series of a study that a model of this kind reads.

    Raises
    ------
    NotApplicable
        Nothing fits; the message is a short reason for people, such as "body part is HEAD, this model reads
        chest CT".
    """
    found = list(headers)
    match kind:
        case ImageKind.CHEST_RADIOGRAPH:
            choice, reads = choose_film(found), "frontal chest films"
            modalities = "CR or DX image"
        case ImageKind.CHEST_CT:
            choice, reads = choose_ct(found), "chest CT"
            modalities = "CT image"
        case _:
            assert_never(kind)
    if choice.headers:
        return Selection(kind=kind, headers=choice.headers, notes=choice.notes)
    reason = _joined(choice.refusals) or f"no {modalities} in the study{_what_there_is(found)}"
    raise NotApplicable(f"{reason}, this model reads {reads}")


def _joined(refusals: Sequence[str]) -> str:
    """Return the most frequent reasons, each once."""
    counted = Counter(refusals).most_common()
    return "; ".join(reason for reason, _ in counted[:_MOST_REASONS])


def _what_there_is(headers: Sequence[Dataset]) -> str:
    modalities = sorted({text_of(header, "Modality")[:16] for header in headers} - {""})
    return f" (there is {', '.join(modalities)})" if modalities else ""
