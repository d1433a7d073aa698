"""The axial chest series of a CT study, by headers alone."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import Dataset

from dicom_node.imaging.planes import Plane, group_value, plane_of
from worker.body_region import Region, body_region, series_words, text_of
from worker.choice import Choice

FEW_SLICES = 10
"""Fewer than this are read (a single slice is a legitimate question) and flagged."""
MANY_SLICES = 400
"""A series of more is taken only when there is no shorter one: it costs time and shows nothing more."""
MOST_DEGREES_FROM_AXIAL = 20.0

_SCOUT_WORDS = frozenset(("SCOUT", "TOPOGRAM", "TOPO", "LOCALIZER", "LOCALISER", "SURVIEW", "SCANOGRAM"))
_TRACKING_WORDS = frozenset(("PREMONITORING", "MONITORING", "SMARTPREP", "TRACKING", "SURESTART"))
_REFORMATS = (
    *("MPR", "REFORMAT", "REFORMATTED", "MIP", "MINIP", "MIN_IP", "MAX_IP", "PROJECTION IMAGE", "CPR"),
    *("VOLREN", "VOLUME_RENDER", "VRT", "3D", "SUBTRACTION", "PERFUSION", "SCREEN SAVE", "DOSE_INFO"),
)
"""Image Type value 3 and later (PS3.3 C.8.2.1.1.1, C.8.15.2.1.1.5 and what devices write)."""
_LUNG_KERNEL = re.compile(r"LUNG|^B[67]0|^BL\d|^FC5\d|^L$|^Y[AB]$")
"""Convolution Kernel names of the large makers; anything else counts as soft."""


@dataclass(frozen=True, slots=True)
class _Image:
    header: Dataset
    plane: Plane
    frames: int


def choose_ct(headers: Sequence[Dataset]) -> Choice:
    """Return the best axial chest series, in order along its normal.

    Within a series, scouts, secondary captures, reformats and slices more than 20 degrees off axial are left
    out, then the largest group of one size and direction is kept. Of several series: one that says chest, at
    least 10 slices, ORIGINAL before DERIVED, not more than 400 slices, a lung kernel before a soft one (the
    networks look through a lung window), thin before thick, many before few, the lower UID.
    """
    images = [header for header in headers if text_of(header, "Modality") == "CT"]
    refusals: list[str] = []
    by_series: dict[str, list[_Image]] = defaultdict(list)
    for header in images:
        refusal = _refusal(header)
        plane = plane_of(header)
        if refusal or plane is None:
            refusals.append(refusal or "the slice has no valid position and orientation")
        else:
            frames = int(header.get("NumberOfFrames") or 1)
            by_series[str(header.get("SeriesInstanceUID", ""))].append(_Image(header, plane, frames))
    if not by_series:
        return Choice(refusals=tuple(refusals))
    alike = {uid: _largest_group(series) for uid, series in by_series.items()}
    uid, best = min(alike.items(), key=lambda item: (_preference(item[1]), item[0]))
    left_out = sum(str(header.get("SeriesInstanceUID", "")) == uid for header in images) - len(best)
    ordered = sorted(
        best, key=lambda each: (each.plane.position_mm, str(each.header.get("SOPInstanceUID", "")))
    )
    return Choice(headers=tuple(each.header for each in ordered), notes=tuple(_notes(best, left_out)))


def _refusal(header: Dataset) -> str:
    """Return why a CT image cannot be read, empty when it can."""
    region = body_region(header)
    if region.region is Region.OTHER:
        return f"body part is {region.name}"
    return _refusal_by_type(header) or _refusal_by_plane(header)


def _refusal_by_type(header: Dataset) -> str:
    image_type = [part.strip() for part in text_of(header, "ImageType").split("\\")]
    words = set(series_words(header))
    if "LOCALIZER" in image_type or "SCOUT" in image_type or words & _SCOUT_WORDS:
        return "the image is a localizer (scout)"
    if words & _TRACKING_WORDS:
        return "the series is bolus tracking"
    if any(part in _REFORMATS for part in image_type[2:]):
        return "the image is a reformat or a computed map, not an original slice"
    if "SECONDARY" in image_type[1:2]:
        return "the image is secondary (made from others)"
    return ""


def _refusal_by_plane(header: Dataset) -> str:
    plane = plane_of(header)
    if plane is None:
        return "the slice has no valid position and orientation"
    if plane.degrees_from_axial > MOST_DEGREES_FROM_AXIAL:
        return f"the slice is not axial ({plane.degrees_from_axial:.0f} degrees off)"
    return ""


def _largest_group(series: list[_Image]) -> list[_Image]:
    """Keep the largest group of one matrix and one direction; ties go to the first instance."""
    groups: dict[tuple[object, ...], list[_Image]] = defaultdict(list)
    for each in sorted(series, key=lambda one: str(one.header.get("SOPInstanceUID", ""))):
        direction = tuple(round(value, 1) + 0.0 for value in each.plane.normal)
        groups[each.header.get("Rows"), each.header.get("Columns"), direction].append(each)
    return max(groups.values(), key=lambda group: sum(each.frames for each in group))


def _preference(series: list[_Image]) -> tuple[int, int, int, int, int, float, int]:
    first = series[0].header
    slices = sum(each.frames for each in series)
    return (
        0 if body_region(first).region is Region.CHEST else 1,
        1 if slices < FEW_SLICES else 0,
        1 if text_of(first, "ImageType").startswith("DERIVED") else 0,
        1 if slices > MANY_SLICES else 0,
        0 if _LUNG_KERNEL.search(text_of(first, "ConvolutionKernel")) else 1,
        _thickness_mm(first),
        -slices,
    )


def _thickness_mm(header: Dataset) -> float:
    """Return Slice Thickness; what does not say comes last."""
    value = group_value(header, 0, "PixelMeasuresSequence", "SliceThickness") or header.get("SliceThickness")
    try:
        return float(str(value))
    except ValueError:
        return 1000.0


def _notes(series: list[_Image], left_out: int) -> list[str]:
    notes = []
    slices = sum(each.frames for each in series)
    if slices < FEW_SLICES:
        notes.append(f"only {slices} slice{'s' if slices > 1 else ''}: says little of the whole chest")
    if body_region(series[0].header).region is Region.SILENT:
        notes.append("the body part is not given")
    if left_out:
        notes.append(
            f"{left_out} images of the series are left out (not axial, scouts, reformats or another size)"
        )
    return notes
