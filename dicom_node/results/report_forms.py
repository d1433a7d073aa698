"""The report in the forms that older systems take: Comprehensive SR and Basic Text SR."""

import copy
from collections.abc import Iterator, Mapping, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from dicom_node.results.tree import line_of

_IMAGING_MEASUREMENTS, _MEASUREMENT_GROUP = "126010", "125007"
_IMAGE_LIBRARY = "111028"
_FOR_PROGRAMS = {"112039", "112040", "111002"}  # Tracking Identifier and UID, Algorithm Parameters
_FINDING = "121071"
_BASIC_TEXT_VALUES = {"CONTAINER", "TEXT", "CODE", "UIDREF", "IMAGE", "COMPOSITE", "DATE", "TIME", "DATETIME"}


def to_comprehensive(report: Dataset, sop_instance_uid: str) -> None:
    """Make the report a Comprehensive SR (PS3.3 A.35.3), in place.

    It keeps the whole tree: what only Comprehensive 3D SR has, 3D coordinates, the node's reports do not use.
    """
    _rename(report, ComprehensiveSRStorage, sop_instance_uid)


def to_basic_text(report: Dataset, sop_instance_uid: str) -> None:
    """Make the report a Basic Text SR (PS3.3 A.35.1), in place: each finding a sentence, the images linked.

    Basic Text has no numbers, no image library and no TID 1500, and is what nearly every system shows.
    """
    _rename(report, BasicTextSRStorage, sop_instance_uid)
    report.pop("ContentTemplateSequence", None)
    content: list[Dataset] = []
    for item in report.ContentSequence:
        if _concept(item) == _IMAGING_MEASUREMENTS:
            content.append(_findings(item))
        elif _concept(item) != _IMAGE_LIBRARY and item.ValueType in _BASIC_TEXT_VALUES:
            content.append(_without_templates(item))
    content.append(_images(report))
    report.ContentSequence = content


def refer_to_single_frames(
    report: Dataset, frame_uids: Mapping[tuple[str, int], str], sop_instance_uid: str
) -> None:
    """Let the report name the single frames of a multi-frame heat map, in place.

    Parameters
    ----------
    frame_uids
        SOP Instance UID and frame, from 1, of what the report names, to the UID of the single frame.
    """
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    _split_items(report, frame_uids)
    for study in report.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in study.ReferencedSeriesSequence:
            series.ReferencedSOPSequence = [
                part
                for reference in series.ReferencedSOPSequence
                for part in _split_evidence(reference, frame_uids)
            ]


def heatmap_frames(report: Dataset) -> list[tuple[str, int]]:
    """Return the multi-frame heat maps' frames that the report names: SOP Instance UID and frame, from 1."""
    found: dict[tuple[str, int], None] = {}
    for item in _walk(report):
        for reference in item.get("ReferencedSOPSequence") or []:
            if reference.ReferencedSOPClassUID == MultiFrameTrueColorSecondaryCaptureImageStorage:
                found.update(
                    dict.fromkeys((str(reference.ReferencedSOPInstanceUID), n) for n in _frames(reference))
                )
    return list(found)


def is_report(sop_class_uid: str) -> bool:
    """Tell whether an output of the node is its report."""
    return sop_class_uid == Comprehensive3DSRStorage


def _rename(report: Dataset, sop_class: UID, sop_instance_uid: str) -> None:
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = sop_class
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)


def _concept(item: Dataset) -> str:
    names: Sequence[Dataset] = item.get("ConceptNameCodeSequence") or []
    return str(names[0].get("CodeValue") or "") if names else ""


def _walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence") or []:
        yield child
        yield from _walk(child)


def _findings(measurements: Dataset) -> Dataset:
    container = _container("121070", "Findings")
    container.ContentSequence = [
        _text(_FINDING, "Finding", _sentence(group))
        for group in measurements.get("ContentSequence") or []
        if _concept(group) == _MEASUREMENT_GROUP
    ]
    return container


def _sentence(group: Dataset) -> str:
    """What a measurement group says, as ``finding; name: value``, without what is for programs."""
    said = [
        line_of(item).removeprefix("Finding: " if _concept(item) == _FINDING else "")
        for item in group.get("ContentSequence") or []
        if item.ValueType in {"CODE", "NUM", "TEXT"} and _concept(item) not in _FOR_PROGRAMS
    ]
    return "; ".join(said)


def _images(report: Dataset) -> Dataset:
    """Every image that the report named, once, under its first name."""
    found: dict[tuple[str, str], Dataset] = {}
    for item in _walk(report):
        if item.ValueType == "IMAGE":
            reference = item.ReferencedSOPSequence[0]
            key = (str(reference.ReferencedSOPInstanceUID), str(reference.get("ReferencedFrameNumber") or ""))
            named = "ConceptNameCodeSequence" in item
            if key not in found or (named and "ConceptNameCodeSequence" not in found[key]):
                found[key] = item
    container = _container("121180", "Key Images")
    container.ContentSequence = [_as_part(item) for item in found.values()]
    return container


def _as_part(item: Dataset) -> Dataset:
    part = Dataset()
    part.RelationshipType, part.ValueType = "CONTAINS", "IMAGE"
    if "ConceptNameCodeSequence" in item:
        part.ConceptNameCodeSequence = copy.deepcopy(item.ConceptNameCodeSequence)
    part.ReferencedSOPSequence = copy.deepcopy(item.ReferencedSOPSequence)
    return part


def _without_templates(item: Dataset) -> Dataset:
    item.pop("ContentTemplateSequence", None)
    for child in _walk(item):
        child.pop("ContentTemplateSequence", None)
    return item


def _container(code: str, meaning: str) -> Dataset:
    container = _item(code, meaning, "CONTAINER")
    container.ContinuityOfContent = "SEPARATE"
    return container


def _text(code: str, meaning: str, text: str) -> Dataset:
    item = _item(code, meaning, "TEXT")
    item.TextValue = text
    return item


def _item(code: str, meaning: str, value_type: str) -> Dataset:
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = code, "DCM", meaning
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", value_type
    item.ConceptNameCodeSequence = [name]
    return item


def _frames(reference: Dataset) -> list[int]:
    """The frames that a reference names; none named means all, and then the first stands for them."""
    numbers = reference.get("ReferencedFrameNumber")
    if numbers in (None, ""):
        return [1]
    return [int(one) for one in (numbers if isinstance(numbers, Sequence) else [numbers])]


def _split_items(item: Dataset, frame_uids: Mapping[tuple[str, int], str]) -> None:
    children: Sequence[Dataset] = item.get("ContentSequence") or []
    if not children:
        return
    item.ContentSequence = [part for child in children for part in _split_item(child, frame_uids)]
    for child in item.ContentSequence:
        _split_items(child, frame_uids)


def _split_item(item: Dataset, frame_uids: Mapping[tuple[str, int], str]) -> list[Dataset]:
    references: Sequence[Dataset] = item.get("ReferencedSOPSequence") or []
    uid = str(references[0].ReferencedSOPInstanceUID) if references else ""
    frames = _frames(references[0]) if references else []
    if not frames or (uid, frames[0]) not in frame_uids:
        return [item]
    parts = []
    for frame in frames:
        part = copy.deepcopy(item)
        part.ReferencedSOPSequence = [_single(frame_uids[uid, frame])]
        parts.append(part)
    return parts


def _split_evidence(reference: Dataset, frame_uids: Mapping[tuple[str, int], str]) -> list[Dataset]:
    uid = str(reference.ReferencedSOPInstanceUID)
    single = [_single(to) for (whole, _), to in sorted(frame_uids.items()) if whole == uid]
    return single or [reference]


def _single(sop_instance_uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = SecondaryCaptureImageStorage
    reference.ReferencedSOPInstanceUID = UID(sop_instance_uid)
    return reference
