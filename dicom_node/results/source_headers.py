"""What the outputs take over from the images that were read, missing and odd headers included."""

import copy

from highdicom.sr import CodedConcept
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage

from dicom_node.results.codes import CT_PROCEDURE, IMAGING_PROCEDURE, RADIOGRAPHY_PROCEDURE

_TYPE_2 = (  # Patient and General Study modules, PS3.3 C.7.1.1 and C.7.2.1
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
_DEIDENTIFICATION = {"DeidentificationMethod", "DeidentificationMethodCodeSequence"}
_PIXEL_GROUPS = 0x7FE0


def complete_header(source: Dataset) -> Dataset:
    """Return a copy of a source's header that a writer can rely on.

    Without pixel and private data, text decoded, every Type 2 attribute of patient and study there (empty
    where it was missing: real devices leave them out), Patient's Sex one of the standard's or empty.
    """
    source.walk(_decode)  # text of sequence items too, while it is known which character set they follow
    header = Dataset()
    for element in source:
        if element.tag.group < _PIXEL_GROUPS and not element.tag.is_private:
            header.add(copy.deepcopy(element))
    for keyword in _TYPE_2:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = ""
    if header.get("PatientIdentityRemoved") == "YES" and not _DEIDENTIFICATION & set(header.dir()):
        header.DeidentificationMethod = "not told by the source"  # Type 1C, PS3.3 C.7.1.1
    return header


def _decode(_item: Dataset, element: DataElement) -> None:
    """Nothing to do: pydicom decodes an element when it is first looked at."""


def nameless(header: Dataset) -> Dataset:
    """Return what identifies the Instance, with the Type 2 attributes of patient and study empty."""
    identity = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(identity, keyword, header[keyword].value)
    for keyword in _TYPE_2:
        setattr(identity, keyword, "")
    return identity


def sop_reference(instance: Dataset) -> Dataset:
    """Return an item of a sequence that follows the SOP Instance Reference macro (PS3.3 Table 10-11)."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = instance.SOPClassUID
    reference.ReferencedSOPInstanceUID = instance.SOPInstanceUID
    return reference


def procedure_reported(header: Dataset) -> CodedConcept:
    """Return the imaging procedure that was read, never the algorithm (IHE AIR 6.5.3.1).

    The site's own code where the study carries one; otherwise what CID 100, the baseline value set,
    has had for long enough that readers know it: for a radiograph no more than "Imaging procedure".
    """
    return _site_procedure(header) or (CT_PROCEDURE if _is_ct(header) else IMAGING_PROCEDURE)


def performed_procedure(header: Dataset) -> CodedConcept:
    """Return the code for Performed Procedure Code Sequence (0040,A372), which no value set binds."""
    return _site_procedure(header) or (CT_PROCEDURE if _is_ct(header) else RADIOGRAPHY_PROCEDURE)


def requested_procedures(header: Dataset) -> list[Dataset]:
    """Return the items of Referenced Request Sequence (0040,A370): what the images were ordered for."""
    requests = list(header.get("RequestAttributesSequence") or [])
    if not requests and header.AccessionNumber:
        requests = [Dataset()]
    return [_referenced_request(header, request) for request in requests]


def _referenced_request(header: Dataset, request: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = header.StudyInstanceUID
    item.ReferencedStudySequence = []
    item.AccessionNumber = request.get("AccessionNumber") or header.AccessionNumber
    for keyword in (
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "RequestedProcedureID",
    ):
        setattr(item, keyword, request.get(keyword) or "")
    item.RequestedProcedureDescription = (
        request.get("RequestedProcedureDescription") or header.get("StudyDescription") or ""
    )
    item.RequestedProcedureCodeSequence = copy.deepcopy(
        list(request.get("RequestedProcedureCodeSequence") or [])
    )
    return item


def _site_procedure(header: Dataset) -> CodedConcept | None:
    """The code that the study carries, if it can be written again (SH, SH, LO: PS3.5 6.2)."""
    for keyword in ("PerformedProcedureCodeSequence", "ProcedureCodeSequence"):
        for item in header.get(keyword) or []:
            value, scheme = str(item.get("CodeValue") or ""), str(item.get("CodingSchemeDesignator") or "")
            meaning = str(item.get("CodeMeaning") or "")
            if 0 < len(value) <= 16 and 0 < len(scheme) <= 16 and 0 < len(meaning) <= 64:
                return CodedConcept(value, scheme, meaning, item.get("CodingSchemeVersion") or None)
    return None


def _is_ct(header: Dataset) -> bool:
    return header.SOPClassUID in (CTImageStorage, EnhancedCTImageStorage)
