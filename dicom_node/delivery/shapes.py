"""Shapes: what an Instance is turned into where a Destination does not take, or may not get, its bytes."""

from dataclasses import dataclass
from enum import Enum

from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from dicom_node.domain.identifiers import derived_uid


class Kind(Enum):
    """What sort of object a report goes out as; the value is the word of the routes."""

    STORED = ""
    COMPREHENSIVE = "comprehensive"
    BASIC_TEXT = "basic-text"


REPORT_CLASSES = {
    Kind.STORED: str(Comprehensive3DSRStorage),
    Kind.COMPREHENSIVE: str(ComprehensiveSRStorage),
    Kind.BASIC_TEXT: str(BasicTextSRStorage),
}
REPORT_KINDS = {
    "comprehensive-3d": Kind.STORED,
    "comprehensive": Kind.COMPREHENSIVE,
    "basic-text": Kind.BASIC_TEXT,
}

SINGLE_FRAME = str(SecondaryCaptureImageStorage)

TRANSFER_SYNTAXES = {
    "explicit-vr-le": str(ExplicitVRLittleEndian),
    "implicit-vr-le": str(ImplicitVRLittleEndian),
    "htj2k": str(HTJ2KLossless),
    "j2k": str(JPEG2000Lossless),
    "rle": str(RLELossless),
}
_SYNTAX_WORDS = {uid: word for word, uid in TRANSFER_SYNTAXES.items()}
_SINGLE_FRAMES, _DEIDENTIFIED = "single-frames", "de-identified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How an Instance goes out; the default is its stored bytes."""

    kind: Kind = Kind.STORED
    single_frames: bool = False
    """A multi-frame heat map as one image a frame; of a report: it names those."""
    transfer_syntax_uid: str = ""
    """Empty: as it is stored."""
    deidentified: bool = False

    def __str__(self) -> str:
        """What a receipt and the outbox say of it: words, empty for the stored bytes."""
        words = [
            self.kind.value,
            _SINGLE_FRAMES if self.single_frames else "",
            _SYNTAX_WORDS.get(self.transfer_syntax_uid, self.transfer_syntax_uid),
            _DEIDENTIFIED if self.deidentified else "",
        ]
        return ", ".join(word for word in words if word)

    @property
    def is_stored(self) -> bool:
        """Whether the stored bytes go out."""
        return self == Shape()


def parse_shape(form: str) -> Shape:
    """Return the shape that a receipt told."""
    words = set(filter(None, form.split(", ")))
    kinds = {kind.value: kind for kind in Kind if kind.value}
    syntaxes = words & set(TRANSFER_SYNTAXES)
    return Shape(
        kind=next((kinds[word] for word in words if word in kinds), Kind.STORED),
        single_frames=_SINGLE_FRAMES in words,
        transfer_syntax_uid=TRANSFER_SYNTAXES[syntaxes.pop()] if syntaxes else "",
        deidentified=_DEIDENTIFIED in words,
    )


def shaped_uid(sop_instance_uid: str, shape: Shape) -> str:
    """Return the SOP Instance UID of a report in this shape.

    Another SOP Class, or other references, are another SOP Instance (PS3.3 C.12.1): both may meet in a third
    archive. Its UID is derived, so that a repetition is the same. Another Transfer Syntax is the same
    Instance (PS3.5 10).
    """
    words = [word for word in (shape.kind.value, _SINGLE_FRAMES if shape.single_frames else "") if word]
    return derived_uid("shape", sop_instance_uid, *words) if words else sop_instance_uid


def frame_uid(sop_instance_uid: str, frame: int) -> str:
    """Return the SOP Instance UID of a frame, from 1, of a heat map that goes out as single images."""
    return derived_uid("shape", sop_instance_uid, "frame", str(frame))
