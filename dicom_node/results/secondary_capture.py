"""The heat map: a Secondary Capture that any viewer shows. A courtesy to people: the report is the result."""

import copy
from collections.abc import Sequence

import numpy as np
from highdicom import SOPClass
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from dicom_node.domain.finding import OutputRole
from dicom_node.results.codes import CHEST, SALIENCY_OVERLAY, SOURCE_IMAGE
from dicom_node.results.geometry import Plane, plane_of
from dicom_node.results.instance import ascii_text, common_arguments, finish
from dicom_node.results.provenance import ResultContext
from dicom_node.results.rendering import Colours, Pixels, blend, fit_within, with_captions
from dicom_node.results.source_headers import complete_header, sop_reference

LONGEST_SIDE = 1024
"""Films are shown at most this large (pixels, without the caption): about 3 MB instead of 25."""
MOST_FRAMES = 16
"""A heat map of a CT shows a few key slices, about 0.8 MB each, not the series."""


def build_radiograph_heatmap(
    context: ResultContext, *, pixels: Pixels, saliency: Pixels, source: Dataset | None = None
) -> Dataset:
    """Return the heat map of a film, ready for ``encode``.

    Parameters
    ----------
    pixels, saliency
        (rows, columns) float32 in [0, 1], white is dense; the film's aspect, any size. Longer than
        ``LONGEST_SIDE`` they are made smaller, and the object then says so (Spatial Locations Preserved NO).
    source
        Header of the film; may be left out where only one was read.

    Raises
    ------
    ValueError
        The arrays disagree or are no such pixels, or it is unclear which film they show.
    """
    film = source if source is not None else context.sources[0]
    if source is None and len(context.sources) > 1:
        raise ValueError("several films were read: which one does the heat map show?")
    _check(pixels, saliency, dimensions=2)
    frame = blend(fit_within(pixels, LONGEST_SIDE), fit_within(saliency, LONGEST_SIDE))
    on_source_grid = frame.shape[:2] == (film.Rows, film.Columns)

    header = complete_header(context.ordered_sources[0])
    heatmap = _secondary_capture(context, SecondaryCaptureImageStorage)
    heatmap.PatientOrientation = film.get("PatientOrientation") or ""
    _derive_from(heatmap, [film], [], "YES" if on_source_grid else "NO")
    _set_pixels(heatmap, with_captions(frame[np.newaxis], [_caption(context)]))
    return finish(heatmap, context, header)


def build_volume_heatmap(
    context: ResultContext,
    *,
    pixels: Pixels,
    saliency: Pixels,
    sources: Sequence[Dataset],
    source_frames: Sequence[int] = (),
) -> Dataset:
    """Return the heat map of a CT, one frame a key slice, ready for ``encode``.

    Parameters
    ----------
    pixels, saliency
        (k, rows, columns) float32 in [0, 1] on the grid of the source images, k at most ``MOST_FRAMES``.
    sources
        Headers of the k images, in the order of the frames.
    source_frames
        Where the sources are multi-frame: which frame (from 1) of each.

    Raises
    ------
    ValueError
        The arrays disagree with each other or with the sources, or there are too many frames.

    Notes
    -----
    Frame of Reference and plane of each frame are told where the sources tell theirs, so that viewers link
    the slices; the only functional groups that the IOD allows are used (PS3.3 A.8.5.4). The caption adds rows
    at the bottom of each frame and moves no pixel.
    """
    _check(pixels, saliency, dimensions=3)
    if not 1 <= len(sources) <= MOST_FRAMES or len(pixels) != len(sources):
        raise ValueError(f"a heat map has 1 to {MOST_FRAMES} frames, each with its source")
    if source_frames and len(source_frames) != len(sources):
        raise ValueError("either no source has frames or each one")
    if any(pixels.shape[1:] != (source.Rows, source.Columns) for source in sources):
        raise ValueError("a heat map of a CT stands on the pixel grid of its sources")
    frames: list[int | None] = list(source_frames) or [None] * len(sources)
    labels = [_frame_label(source, frame) for source, frame in zip(sources, frames, strict=True)]

    header = complete_header(context.ordered_sources[0])
    heatmap = _secondary_capture(context, MultiFrameTrueColorSecondaryCaptureImageStorage)
    _derive_from(heatmap, sources, source_frames, "YES")
    heatmap.setdefault("BurnedInAnnotation", "NO")  # Type 1 here (PS3.3 C.8.6.3); CT images carry none
    captions = [[*_caption(context), label] for label in labels]
    _set_pixels(heatmap, with_captions(blend(pixels, saliency), captions))
    heatmap.NumberOfFrames = len(sources)
    if len(sources) > 1:  # a single frame has no increment (PS3.3 C.7.6.6)
        heatmap.FrameLabelVector = labels
        heatmap.FrameIncrementPointer = [Tag("FrameLabelVector")]
    planes = [plane_of(source, frame) for source, frame in zip(sources, frames, strict=True)]
    _place_in_patient(heatmap, [plane for plane in planes if plane is not None], sources[0])
    return finish(heatmap, context, header)


def _check(pixels: Pixels, saliency: Pixels, *, dimensions: int) -> None:
    if pixels.ndim != dimensions or pixels.shape != saliency.shape:
        raise ValueError(
            f"pixels {pixels.shape} and saliency {saliency.shape} must be one {dimensions}-D grid"
        )
    if not (np.isfinite(pixels).all() and np.isfinite(saliency).all()):
        raise ValueError("pixels and saliency must be finite numbers")


def _secondary_capture(context: ResultContext, sop_class_uid: UID) -> Dataset:
    """All but patient, pixels and what they come from (PS3.3 A.8.1, A.8.5).

    Modality OT: matches no routing rule or hanging protocol for films and CT, so that nothing goes round.
    """
    heatmap: Dataset = SOPClass(
        study_instance_uid=context.study_instance_uid,
        sop_class_uid=sop_class_uid,
        modality="OT",
        **common_arguments(context, OutputRole.HEATMAP),
    )
    heatmap.ConversionType = "WSD"
    heatmap.ImageType = ["DERIVED", "SECONDARY"]
    heatmap.DateOfSecondaryCapture, heatmap.TimeOfSecondaryCapture = heatmap.ContentDate, heatmap.ContentTime
    heatmap.PatientOrientation = ""
    heatmap.BodyPartExamined = "CHEST"
    heatmap.AnatomicRegionSequence = [copy.deepcopy(CHEST)]
    heatmap.ImageComments = "AI heat map - NOT FOR DIAGNOSTIC USE"
    heatmap.DerivationDescription = _derivation(context)
    heatmap.DerivationCodeSequence = [copy.deepcopy(SALIENCY_OVERLAY)]
    return heatmap


def _derivation(context: ResultContext) -> str:
    model = context.model
    return (
        f"{context.saliency_method.value.capitalize()} for '{context.explained_finding.condition.title}' of "
        f"{ascii_text(str(model))} (weights sha256 {model.weights_sha256[:16]}) blended with the windowed "
        "source; colour is relative model attention, not severity. NOT FOR DIAGNOSTIC USE."
    )


def _caption(context: ResultContext) -> list[str]:
    """What is burned in: no word of it identifies the patient."""
    finding = context.explained_finding
    use = (
        "RESEARCH USE ONLY - NOT FOR DIAGNOSTIC USE"
        if context.content_qualification == "RESEARCH"
        else "NOT FOR DIAGNOSTIC USE"
    )
    return [
        f"{use} - AI, unverified",
        f"{finding.condition.title}: {100 * finding.probability:.0f}%, {finding.presence.value} "
        f"(operating point {100 * finding.operating_point:.0f}%)",
        f"{ascii_text(str(context.model))}; colour: relative model attention, not severity",
    ]


def _frame_label(source: Dataset, frame: int | None) -> str:
    number = source.get("InstanceNumber")
    image = "Image" if number in (None, "") else f"Image {number}"
    return image if frame is None else f"{image}, frame {frame}"


def _derive_from(
    heatmap: Dataset, sources: Sequence[Dataset], source_frames: Sequence[int], preserved: str
) -> None:
    """Name the source images (PS3.3 C.7.6.1.1.4, C.12.2) and take over what was done to their pixels.

    Burned In Annotation (0028,0301) means identity in the pixels: ours adds none, the source's stays.
    """
    references = []
    for number, source in enumerate(sources):
        reference = sop_reference(source)
        if source_frames:
            reference.ReferencedFrameNumber = source_frames[number]
        reference.PurposeOfReferenceCodeSequence = [copy.deepcopy(SOURCE_IMAGE)]
        reference.SpatialLocationsPreserved = preserved
        references.append(reference)
    heatmap.SourceImageSequence = references
    heatmap.ReferencedSeriesSequence = _by_series(sources)
    annotations = {str(source.get("BurnedInAnnotation") or "") for source in sources}
    if annotations <= {"YES", "NO"}:
        heatmap.BurnedInAnnotation = "YES" if "YES" in annotations else "NO"
    lossy = [source for source in sources if source.get("LossyImageCompression") == "01"]
    heatmap.LossyImageCompression = "01" if lossy else "00"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if lossy and keyword in lossy[0]:
            setattr(heatmap, keyword, copy.deepcopy(lossy[0][keyword].value))


def _by_series(sources: Sequence[Dataset]) -> list[Dataset]:
    """The items of Referenced Series Sequence (0008,1115), each Instance named once."""
    series: dict[str, dict[str, Dataset]] = {}
    for source in sources:
        instances = series.setdefault(str(source.SeriesInstanceUID), {})
        instances.setdefault(str(source.SOPInstanceUID), sop_reference(source))
    items = []
    for series_instance_uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = series_instance_uid
        item.ReferencedInstanceSequence = list(instances.values())
        items.append(item)
    return items


def _set_pixels(heatmap: Dataset, frames: Colours) -> None:
    """RGB, 8 bits, not compressed (PS3.3 C.7.6.3)."""
    heatmap.SamplesPerPixel, heatmap.PlanarConfiguration = 3, 0
    heatmap.PhotometricInterpretation = "RGB"
    heatmap.Rows, heatmap.Columns = frames.shape[1:3]
    heatmap.BitsAllocated, heatmap.BitsStored, heatmap.HighBit = 8, 8, 7
    heatmap.PixelRepresentation = 0
    encoded = frames.tobytes()
    heatmap.PixelData = encoded + b"\0" * (len(encoded) % 2)
    heatmap["PixelData"].VR = "OB"


def _place_in_patient(heatmap: Dataset, planes: Sequence[Plane], source: Dataset) -> None:
    """Say where each frame lies, if every one is known and they are parallel (PS3.3 C.7.6.16)."""
    complete = len(planes) == heatmap.NumberOfFrames and len({plane.orientation for plane in planes}) == 1
    if not complete or not source.get("FrameOfReferenceUID"):
        return
    heatmap.FrameOfReferenceUID = source.FrameOfReferenceUID
    heatmap.PositionReferenceIndicator = source.get("PositionReferenceIndicator") or ""
    heatmap.PatientOrientation = planes[0].patient_orientation
    if len(planes) > 1:
        heatmap.SliceLocationVector = [f"{plane.location:.3f}" for plane in planes]
        heatmap.FrameIncrementPointer = [Tag("SliceLocationVector"), Tag("FrameLabelVector")]

    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(planes[0].spacing)
    if planes[0].thickness is not None:
        measures.SliceThickness = planes[0].thickness
    orientation.ImageOrientationPatient = list(planes[0].orientation)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    heatmap.SharedFunctionalGroupsSequence = [shared]
    heatmap.PerFrameFunctionalGroupsSequence = [_plane_position(plane) for plane in planes]


def _plane_position(plane: Plane) -> Dataset:
    position, group = Dataset(), Dataset()
    position.ImagePositionPatient = list(plane.position)
    group.PlanePositionSequence = [position]
    return group
