"""Where a CT image lies in the patient: read from its header, or from its frame's functional groups."""

import math
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_AXES = (("L", "R"), ("P", "A"), ("H", "F"))  # PS3.3 C.7.6.1.1.1: towards plus, towards minus


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One image plane in the patient coordinate system (PS3.3 C.7.6.2), millimetres."""

    position: tuple[float, ...]
    """Centre of the first pixel, (x, y, z)."""
    orientation: tuple[float, ...]
    """Direction cosines of a row and of a column, six numbers."""
    spacing: tuple[float, ...]
    """(between rows, between columns)."""
    thickness: float | None

    @property
    def location(self) -> float:
        """How far along the normal the plane lies."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return float(np.dot(normal, self.position))

    @property
    def patient_orientation(self) -> list[str]:
        """Patient Orientation (0020,0020): where a row and where a column mainly lead, as ['L', 'P']."""
        return [_letter(self.orientation[:3]), _letter(self.orientation[3:])]


def plane_of(source: Dataset, frame: int | None = None) -> Plane | None:
    """Return the plane of an image, or of a frame (from 1) of a multi-frame image; None if it is not told."""
    places = _places(source, frame)
    position = _numbers(places, "ImagePositionPatient", 3)
    orientation = _numbers(places, "ImageOrientationPatient", 6)
    spacing = _numbers(places, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        return None
    thickness = _numbers(places, "SliceThickness", 1)
    return Plane(
        position=position,
        orientation=orientation,
        spacing=spacing,
        thickness=None if thickness is None else thickness[0],
    )


def _places(source: Dataset, frame: int | None) -> list[Dataset]:
    """The data sets in which the geometry may stand, nearest first (PS3.3 C.7.6.16)."""
    if frame is None:
        return [source]
    groups = [source.PerFrameFunctionalGroupsSequence[frame - 1], *source.SharedFunctionalGroupsSequence]
    return [
        group[keyword][0]
        for group in groups
        for keyword in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        if keyword in group
    ]


def _numbers(places: list[Dataset], keyword: str, count: int) -> tuple[float, ...] | None:
    for place in places:
        value = place.get(keyword)
        numbers = value if isinstance(value, MultiValue) else [value]
        if len(numbers) == count and value not in (None, ""):
            found = tuple(float(number) for number in numbers)
            return found if all(map(math.isfinite, found)) else None
    return None


def _letter(direction: tuple[float, ...]) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return _AXES[axis][0 if direction[axis] > 0 else 1]
