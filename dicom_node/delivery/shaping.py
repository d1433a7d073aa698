"""Putting parcels into shape: the files that go out, and the UIDs that they have there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from dicom_node.confidentiality.basic_profile import Origin, deidentify
from dicom_node.confidentiality.identity import Pseudonyms
from dicom_node.delivery.carriers import Parcel
from dicom_node.delivery.shapes import REPORT_CLASSES, SINGLE_FRAME, Kind, Shape, frame_uid, shaped_uid
from dicom_node.dimse import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.errors import DeliveryRefused, UnreadablePixels
from dicom_node.imaging.stored_pixels import DECODING_ERRORS
from dicom_node.imaging.transcoding import transcode
from dicom_node.results.heatmap_frames import is_multi_frame_heatmap, single_frames
from dicom_node.results.provenance import is_own_output
from dicom_node.results.report_forms import (
    heatmap_frames,
    is_report,
    refer_to_single_frames,
    to_basic_text,
    to_comprehensive,
)

PseudonymsOf = Callable[[], Pseudonyms]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Under which UIDs a Destination has a parcel."""

    study_instance_uid: str
    series_instance_uid: str
    instances: tuple[tuple[str, str], ...]
    """SOP Class UID and SOP Instance UID of each."""

    @property
    def uids(self) -> frozenset[str]:
        """The SOP Instance UIDs alone."""
        return frozenset(uid for _, uid in self.instances)


def shaped_files(parcel: Parcel, shape: Shape, folder: Path, pseudonyms_of: PseudonymsOf) -> list[Path]:
    """Return the Part 10 files that go out for a parcel; all but the stored file are written into a folder.

    Raises
    ------
    DeliveryRefused
        It cannot be put into this shape; the message says why.
    OSError
        The stored file is gone, or there is no space for another one.
    """
    if shape.is_stored:
        return [parcel.path]
    try:
        datasets = _reshaped(pydicom.dcmread(parcel.path), shape)
        for dataset in datasets:
            if shape.deidentified:
                deidentify(dataset, pseudonyms_of(), _origin(dataset))
            if shape.transfer_syntax_uid:
                transcode(dataset, shape.transfer_syntax_uid)
        return [_write(dataset, folder) for dataset in datasets]
    except UnreadablePixels as error:
        raise DeliveryRefused(f"not transcoded: {error}") from error
    except OSError:
        raise
    except DECODING_ERRORS as error:  # a header that cannot be read and written again
        raise DeliveryRefused(f"not put into the form {shape}: {type(error).__name__}") from error


def whereabouts(parcel: Parcel, shape: Shape, pseudonyms_of: PseudonymsOf) -> Whereabouts:
    """Return under which UIDs the Destination has a parcel that went out in this shape.

    Raises
    ------
    OSError
        The stored file, whose header says the study, is gone.
    """
    keywords = ["StudyInstanceUID", "SeriesInstanceUID", "NumberOfFrames", "SOPClassUID"]
    header = pydicom.dcmread(parcel.path, specific_tags=keywords, stop_before_pixels=True)
    there: Callable[[str], str] = pseudonyms_of().uid if shape.deidentified else str
    return Whereabouts(
        study_instance_uid=there(str(header.StudyInstanceUID)),
        series_instance_uid=there(str(header.SeriesInstanceUID)),
        instances=tuple(
            (sop_class, there(uid))
            for sop_class, uid in _instances(parcel, shape, int(header.get("NumberOfFrames") or 1))
        ),
    )


def by_series(places: Iterable[Whereabouts]) -> dict[tuple[str, str], set[str]]:
    """Return the SOP Instance UIDs of each Study and Series Instance UID."""
    found: dict[tuple[str, str], set[str]] = {}
    for place in places:
        found.setdefault((place.study_instance_uid, place.series_instance_uid), set()).update(place.uids)
    return found


def _instances(parcel: Parcel, shape: Shape, frames: int) -> list[tuple[str, str]]:
    uid = parcel.sop_instance_uid
    if is_report(parcel.sop_class_uid):
        return [(REPORT_CLASSES[shape.kind], shaped_uid(uid, shape))]
    if shape.single_frames:
        return [(SINGLE_FRAME, frame_uid(uid, frame)) for frame in range(1, frames + 1)]
    return [(parcel.sop_class_uid, uid)]


def _reshaped(dataset: Dataset, shape: Shape) -> list[Dataset]:
    sop_class, uid = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    if is_multi_frame_heatmap(sop_class) and shape.single_frames:
        return single_frames(
            dataset, [frame_uid(uid, frame) for frame in range(1, int(dataset.NumberOfFrames) + 1)]
        )
    if is_report(sop_class):
        _reshape_report(dataset, shape, shaped_uid(uid, shape))
    return [dataset]


def _reshape_report(report: Dataset, shape: Shape, uid: str) -> None:
    if shape.single_frames:
        frames = {(whole, frame): frame_uid(whole, frame) for whole, frame in heatmap_frames(report)}
        refer_to_single_frames(report, frames, uid)
    if shape.kind is Kind.COMPREHENSIVE:
        to_comprehensive(report, uid)
    elif shape.kind is Kind.BASIC_TEXT:
        to_basic_text(report, uid)


def _origin(dataset: Dataset) -> Origin:
    return Origin.OWN if is_own_output(dataset) else Origin.FOREIGN


def _write(dataset: Dataset, folder: Path) -> Path:
    """Write with File Meta Information of our own: the received one names who sent it."""
    syntax: UID = dataset.file_meta.TransferSyntaxUID
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta, dataset.preamble = meta, None
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path
