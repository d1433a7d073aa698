"""Read from an Instance's header what the node enters of it, and nothing more."""

import struct
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError

from dicom_node.domain.identifiers import SeriesInstanceUID, SOPInstanceUID, StudyInstanceUID
from dicom_node.domain.study import InstanceHeader
from dicom_node.errors import InstanceRefused, RefusalReason
from dicom_node.intake.encoded_text import decoded_text, encodings_of, raw_value
from dicom_node.intake.pixel_extent import PixelFacts, check_pixels_are_whole
from dicom_node.results.provenance import is_own_output

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TEXTS = {
    "Modality": 16,
    "PatientID": 64,
    "IssuerOfPatientID": 64,
    "PatientName": 400,
    "PatientBirthDate": 8,
    "PatientSex": 16,
    "AccessionNumber": 64,
    "StudyDate": 8,
    "StudyTime": 16,
    "StudyDescription": 64,
    "SeriesNumber": 16,
    "SeriesDescription": 64,
    "BodyPartExamined": 16,
}
"""Keyword and the most characters that are entered (PS3.5 Table 6.2-1); the file keeps all of them."""

_PIXEL_FACTS = ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated")
_PROVENANCE = ("Manufacturer", "ContributingEquipmentSequence")
_WANTED = (*_IDENTITY, *_TEXTS, *_PIXEL_FACTS, *_PROVENANCE)
UNPARSABLE = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    struct.error,
    InvalidDicomError,
    BytesLengthException,
    Warning,
)
"""What pydicom raises on hostile bytes; it names no family for it."""
_LONGEST_VALUE = "256 KB"
"""A longer value is left in the file: no hostile length makes the node read a whole file into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedHeader:
    """What the data set of an offered Instance says of itself."""

    instance: InstanceHeader
    made_by_this_software: bool


def read_header(part: Path, *, sop_instance_uid: str, transfer_syntax_uid: str) -> OfferedHeader:
    """Return what the header says, after checking that the pixel data are all there.

    Parameters
    ----------
    part
        A Part 10 file.
    sop_instance_uid
        Of the command, for the refusal.
    transfer_syntax_uid
        As negotiated: it decides how the data set is read, whatever a file meta group inside may say.

    Raises
    ------
    InstanceRefused
        The data set ends too early or cannot be parsed.
    """
    try:
        with part.open("rb") as file:
            dataset = dcmread(
                file, stop_before_pixels=True, specific_tags=list(_WANTED), defer_size=_LONGEST_VALUE
            )
            facts = PixelFacts(*(_number(dataset, keyword) for keyword in _PIXEL_FACTS))
            check_pixels_are_whole(file, facts, sop_instance_uid, transfer_syntax_uid)
            return OfferedHeader(
                instance=_header_of(dataset, transfer_syntax_uid),
                made_by_this_software=is_own_output(dataset),
            )
    except InstanceRefused:
        raise
    except (OSError, *UNPARSABLE) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not pydicom
            raise
        raise InstanceRefused(
            sop_instance_uid, RefusalReason.TRUNCATED, f"not parsed ({type(error).__name__})"
        ) from error


def _header_of(dataset: Dataset, transfer_syntax_uid: str) -> InstanceHeader:
    encodings = encodings_of(dataset)
    text = {
        keyword: decoded_text(raw_value(dataset, keyword), encodings)[:length]
        for keyword, length in _TEXTS.items()
    }
    return InstanceHeader(
        study_instance_uid=StudyInstanceUID(_ascii(dataset, "StudyInstanceUID")),
        series_instance_uid=SeriesInstanceUID(_ascii(dataset, "SeriesInstanceUID")),
        sop_instance_uid=SOPInstanceUID(_ascii(dataset, "SOPInstanceUID")),
        sop_class_uid=_ascii(dataset, "SOPClassUID"),
        transfer_syntax_uid=transfer_syntax_uid,
        modality=text["Modality"],
        patient_id=text["PatientID"],
        issuer_of_patient_id=text["IssuerOfPatientID"],
        patient_name=text["PatientName"],
        patient_birth_date=text["PatientBirthDate"],
        patient_sex=text["PatientSex"],
        accession_number=text["AccessionNumber"],
        study_date=text["StudyDate"],
        study_time=text["StudyTime"],
        study_description=text["StudyDescription"],
        series_number=text["SeriesNumber"],
        series_description=text["SeriesDescription"],
        body_part_examined=text["BodyPartExamined"],
    )


def _ascii(dataset: Dataset, keyword: str) -> str:
    return raw_value(dataset, keyword).decode("ascii", "replace").strip("\0 ")


def _number(dataset: Dataset, keyword: str) -> int | None:
    """Return a US or IS value; None when it is absent or not a number."""
    raw = raw_value(dataset, keyword)
    if keyword != "NumberOfFrames":  # IS, the others are US
        _, is_little_endian = dataset.original_encoding
        return int.from_bytes(raw[:2], "little" if is_little_endian else "big") if raw else None
    digits = raw.strip(b"\0 ")
    return int(digits) if digits.isdigit() else None
