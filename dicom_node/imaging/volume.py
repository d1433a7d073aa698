"""CT slices in Hounsfield units with their place in the patient, from single-frame and Enhanced CT."""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from dicom_node.domain.identifiers import SOPInstanceUID
from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.planes import Plane, SpacingMm, dot, group_value, plane_of, spacing_of
from dicom_node.imaging.stored_pixels import (
    frame_count,
    padding_mask,
    sop_instance_uid,
    stored_frame,
    stored_range,
)

Hounsfield = npt.NDArray[np.int16]

AIR = -1024
"""Nothing is thinner than air: lower values (padding, outside the field of view) are lifted to this."""
MAXIMUM_PIXELS_PER_VOLUME = 1 << 29
"""2048 slices of 512 x 512: 1 GiB, as much again while the network reads them."""
_HOUNSFIELD_TYPES = ("", "HU", "HU_MOD", "US")
"""Rescale Type (0028,1054); the others are maps of something else (iodine, effective Z ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CtSlice:
    """One CT frame."""

    sop_instance_uid: SOPInstanceUID
    frame_number: int
    """1 for the first or only frame of the instance, as in Referenced Frame Number (0008,1160)."""
    hounsfield: Hounsfield
    """(rows, columns), at least -1024."""
    plane: Plane
    spacing_mm: SpacingMm | None
    """Between rows, between columns."""

    @property
    def position_mm(self) -> float:
        """Where the slice cuts its normal; grows towards the head for an ordinary axial slice."""
        return self.plane.position_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class CtVolume:
    """Slices of one series, all of one size and direction, in order along their normal."""

    slices: tuple[CtSlice, ...]
    step_mm: float | None
    """Median distance of neighbours, overlaps included; None for a single position."""


def read_slice(dataset: Dataset) -> CtSlice:
    """Return the one slice of a CT Image or of an Enhanced CT Image with one frame.

    Raises
    ------
    UnreadablePixels
        As ``read_slices``, or there is more than one frame.
    """
    if frame_count(dataset) != 1:
        raise UnreadablePixels("one frame was expected, this image has more")
    return _read_frame(dataset, 0)


def read_slices(dataset: Dataset) -> Iterator[CtSlice]:
    """Yield the frames of a CT, Enhanced CT or Legacy Converted Enhanced CT Image, in stored order.

    Rescale Slope and Intercept, Pixel Measures, Plane Position and Plane Orientation may differ by frame
    (PS3.3 C.7.6.16.2).

    Raises
    ------
    UnreadablePixels
        The pixel data are missing, truncated, in colour, too large or cannot be decoded; the slice has no
        place in the patient; or the values are not Hounsfield units.
    """
    for index in range(frame_count(dataset)):
        yield _read_frame(dataset, index)


def sorted_volume(slices: Iterable[CtSlice]) -> CtVolume:
    """Return the slices ordered along their normal; the same slices give the same order.

    Raises
    ------
    UnreadablePixels
        There is no slice, the slices differ in size or direction, or they are more than memory should hold.
    """
    ordered = tuple(
        sorted(
            _bounded(slices), key=lambda each: (each.position_mm, each.sop_instance_uid, each.frame_number)
        )
    )
    if not ordered:
        raise UnreadablePixels("there is no slice")
    first = ordered[0]
    for each in ordered:
        if each.hounsfield.shape != first.hounsfield.shape:
            raise UnreadablePixels("slices of one series differ in size")
        if dot(each.plane.normal, first.plane.normal) < 0.999:
            raise UnreadablePixels("slices of one series differ in direction")
    steps = [b.position_mm - a.position_mm for a, b in pairwise(ordered)]
    apart = [step for step in steps if step > 1e-3]
    return CtVolume(slices=ordered, step_mm=statistics.median(apart) if apart else None)


def _bounded(slices: Iterable[CtSlice]) -> Iterator[CtSlice]:
    """Stop at the limit: a few kilobytes of an empty compressed slice decode to a hundred megabytes."""
    pixels = 0
    for each in slices:
        pixels += each.hounsfield.size
        if pixels > MAXIMUM_PIXELS_PER_VOLUME:
            raise UnreadablePixels(f"the series has more than {MAXIMUM_PIXELS_PER_VOLUME} pixels")
        yield each


def _read_frame(dataset: Dataset, index: int) -> CtSlice:
    plane = plane_of(dataset, index)
    if plane is None:
        raise UnreadablePixels("the slice has no valid Image Position and Orientation (Patient)")
    return CtSlice(
        sop_instance_uid=sop_instance_uid(dataset),
        frame_number=index + 1,
        hounsfield=_hounsfield(dataset, index),
        plane=plane,
        spacing_mm=spacing_of(dataset, index),
    )


def _hounsfield(dataset: Dataset, index: int) -> Hounsfield:
    slope, intercept = _rescale(dataset, index)
    stored = stored_frame(dataset, index)
    least, greatest = stored_range(dataset)
    values = np.arange(least, greatest + 1) * slope + intercept
    table = np.clip(np.rint(values), AIR, np.iinfo(np.int16).max).astype(np.int16)
    hounsfield: Hounsfield = table[np.clip(stored, least, greatest).astype(np.int32) - least]
    padding = padding_mask(dataset, stored)
    if padding is not None:
        hounsfield[padding] = AIR
    return hounsfield


def _rescale(dataset: Dataset, index: int) -> tuple[float, float]:
    """Return Rescale Slope and Intercept (PS3.3 C.11.1, type 1 in CT)."""
    found = []
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        value = group_value(dataset, index, "PixelValueTransformationSequence", keyword)
        found.append(dataset.get(keyword) if value is None else value)
    slope, intercept, rescale_type = found
    if str(rescale_type or "").strip().upper() not in _HOUNSFIELD_TYPES:
        raise UnreadablePixels(f"pixel values are {rescale_type}, not Hounsfield units")
    try:
        numbers = float(str(slope)), float(str(intercept))
    except (TypeError, ValueError) as error:
        raise UnreadablePixels("Rescale Slope or Intercept is missing: no Hounsfield units") from error
    if not np.all(np.isfinite(numbers)) or numbers[0] == 0:
        raise UnreadablePixels("Rescale Slope or Intercept makes no sense: no Hounsfield units")
    return numbers
