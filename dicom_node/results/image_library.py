"""What the Image Library of a report (TID 1600) may say of an image: no more than its header does."""

import copy
import math

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_ALWAYS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")
# the number of values that highdicom reads without a default (TID 1603, TID 1604), by Modality
_PROJECTION = {"PatientOrientation": 2, "ImagerPixelSpacing": 2}
_SECTION = {"PixelSpacing": 2, "SliceThickness": 1, "ImageOrientationPatient": 6, "ImagePositionPatient": 3}
_GEOMETRY = {"CR": _PROJECTION, "DX": _PROJECTION, "CT": _SECTION}


def library_entry(image: Dataset) -> Dataset:
    """Return the header for highdicom's Image Library: what it can describe of the image, nothing made up.

    A CR may lack its pixel spacing and orientation, and an Enhanced CT keeps them in functional groups; the
    Modality then stays empty, so that only the rows of any image (TID 1602) are written.
    """
    entry = Dataset()
    for keyword in _ALWAYS:
        setattr(entry, keyword, image[keyword].value)
    if image.get("FrameOfReferenceUID"):
        entry.FrameOfReferenceUID = image.FrameOfReferenceUID
    entry.Modality = ""
    geometry = _GEOMETRY.get(str(image.get("Modality") or ""), {})
    if geometry and all(_values(image, keyword) == count for keyword, count in geometry.items()):
        entry.Modality = image.Modality
        for keyword in geometry:
            setattr(entry, keyword, copy.copy(image[keyword].value))
    return entry


def _values(image: Dataset, keyword: str) -> int:
    """The number of values of an attribute that are there: a real one wrote ``\\`` for an orientation."""
    value = image.get(keyword)
    return sum(_is_there(each) for each in (value if isinstance(value, MultiValue) else [value]))


def _is_there(value: object) -> bool:
    return value not in (None, "") and not (isinstance(value, float) and not math.isfinite(value))
