"""Radiographs as a reader would see them: grey in [0, 1], white is dense."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from dicom_node.domain.identifiers import SOPInstanceUID
from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.planes import SpacingMm, numbers, positive_spacing
from dicom_node.imaging.stored_pixels import (
    StoredValues,
    frame_count,
    padding_mask,
    sop_instance_uid,
    stored_frame,
    stored_range,
)

Pixels = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

_TAIL = 0.005
"""Share of pixels beyond each end of the grey scale where no usable VOI LUT is given."""
_FLAT = 1 / 256
"""A VOI LUT that leaves 90 % of the pixels within so little of the grey scale shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiograph:
    """One projection film."""

    sop_instance_uid: SOPInstanceUID
    pixels: Pixels
    """(rows, columns) in [0, 1], white is dense."""
    spacing_mm: SpacingMm | None
    """Between rows, between columns: in the patient if calibrated, else at the detector; None if unknown."""


def read_radiograph(dataset: Dataset) -> Radiograph:
    """Return the pixels as a reader would see them.

    Parameters
    ----------
    dataset
        A single-frame grey CR or DX image, any Transfer Syntax that we accept.

    Raises
    ------
    UnreadablePixels
        The pixel data are missing, truncated, in colour, multi-frame, too large or cannot be decoded.

    Notes
    -----
    Modality LUT, then VOI LUT (a LUT before a window, the first of several), then one inversion if the image
    is MONOCHROME1 or its Presentation LUT Shape is INVERSE (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2, C.8.11.3.1.2).
    Where there is no VOI LUT, or the one given is malformed or leaves the image flat, the 0.5th and 99.5th
    percentile of the pixels that are not padding become black and white. Padding is black.
    """
    if frame_count(dataset) != 1:
        raise UnreadablePixels("a film has one frame, this image has more")
    stored = stored_frame(dataset, 0)
    padding = padding_mask(dataset, stored)
    least, greatest = stored_range(dataset)
    index = np.clip(stored, least, greatest).astype(np.int32) - least
    counts = np.bincount(
        index.ravel() if padding is None else index[~padding], minlength=greatest - least + 1
    )
    table = _grey_of_stored_values(dataset, counts)
    if _is_inverted(dataset):
        table = 1 - table
    pixels = table.astype(np.float32)[index]
    if padding is not None:
        pixels[padding] = 0
    return Radiograph(
        sop_instance_uid=sop_instance_uid(dataset),
        pixels=pixels,
        spacing_mm=_spacing(dataset),
    )


def _grey_of_stored_values(dataset: Dataset, counts: npt.NDArray[np.intp]) -> Values:
    """Return the grey of every possible stored value; a table is much quicker than five million pixels."""
    least, greatest = stored_range(dataset)
    stored: StoredValues = np.arange(least, greatest + 1, dtype=np.int32)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            modality = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
    except (AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise UnreadablePixels(f"Modality LUT cannot be applied: {error}") from error
    if not np.isfinite(modality).all():
        raise UnreadablePixels("Modality LUT gives no finite values")
    grey = _voi_grey(dataset, modality)
    if grey is None or not np.isfinite(grey).all() or _is_flat(grey, counts):
        grey = _percentile_grey(modality, counts)
    return grey


def _voi_grey(dataset: Dataset, modality: Values) -> Values | None:
    try:
        if dataset.get("VOILUTSequence"):
            return _voi_lut_grey(dataset, modality)
        if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
            return _window_grey(dataset, modality)
    except (AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
        return None  # PS3.3 C.11.2 allows no such VOI LUT; percentiles stand in
    return None


def _voi_lut_grey(dataset: Dataset, modality: Values) -> Values:
    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    shown = apply_voi(np.rint(modality).astype(np.int32), dataset, index=0)
    grey: Values = np.clip(np.asarray(shown, dtype=np.float64) / ((1 << bits) - 1), 0, 1)
    return grey


def _window_grey(dataset: Dataset, modality: Values) -> Values:
    """Window, and scale by what the window function gives far below and far above (sigmoid included)."""
    far = np.array([-1e9, 1e9])
    with np.errstate(over="ignore"):
        shown = apply_windowing(np.concatenate([modality, far]), dataset, index=0)
    black, white = float(shown[-2]), float(shown[-1])
    if not white > black:  # also where the window is not a number
        raise ValueError("the window has no width")
    return np.asarray((shown[:-2] - black) / (white - black), dtype=np.float64)


def _percentile_grey(modality: Values, counts: npt.NDArray[np.intp]) -> Values:
    low, high = _quantiles(modality, counts, _TAIL, 1 - _TAIL)
    if high <= low:
        return np.zeros_like(modality)
    grey: Values = np.clip((modality - low) / (high - low), 0, 1)
    return grey


def _is_flat(grey: Values, counts: npt.NDArray[np.intp]) -> bool:
    low, high = _quantiles(grey, counts, 0.05, 0.95)
    return bool(high - low < _FLAT)


def _quantiles(values: Values, counts: npt.NDArray[np.intp], *at: float) -> Values:
    """Return quantiles of values that occur ``counts`` times."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(counts[order])
    places = np.searchsorted(cumulative, np.array(at) * cumulative[-1])
    found: Values = values[order][np.minimum(places, len(values) - 1)]
    return found


def _is_inverted(dataset: Dataset) -> bool:
    """Tell whether low values are white; DX says it twice (C.8.11.3.1.2), which is still one inversion."""
    shape = str(dataset.get("PresentationLUTShape", "IDENTITY"))
    return str(dataset.PhotometricInterpretation) == "MONOCHROME1" or shape == "INVERSE"


def _spacing(dataset: Dataset) -> SpacingMm | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        spacing = positive_spacing(numbers(dataset, keyword, 2))
        if spacing is not None:
            return spacing
    return None
