"""Where a frame lies in the patient: position, orientation and spacing (PS3.3 C.7.6.2.1.1, C.7.6.16.2)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset

Triple = tuple[float, float, float]
SpacingMm = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The plane of a frame in the patient's coordinates (LPS, mm)."""

    position: Triple
    """Image Position (Patient): the centre of the first pixel."""
    row: Triple
    """Unit vector along a row, towards greater column numbers."""
    column: Triple
    """Unit vector along a column, towards greater row numbers."""

    @property
    def normal(self) -> Triple:
        """Unit normal ``row x column``; towards the head for an ordinary axial slice."""
        (a, b, c), (d, e, f) = self.row, self.column
        return (b * f - c * e, c * d - a * f, a * e - b * d)

    @property
    def position_mm(self) -> float:
        """Where the plane cuts its normal, in mm; grows towards the head for an ordinary axial slice."""
        return dot(self.position, self.normal)

    @property
    def degrees_from_axial(self) -> float:
        """Angle between the plane and an axial one, 0..90; a gantry tilt counts."""
        return math.degrees(math.acos(min(1.0, abs(self.normal[2]))))


def dot(one: Triple, other: Triple) -> float:
    """Return the scalar product."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def plane_of(dataset: Dataset, frame: int = 0) -> Plane | None:
    """Return the plane of a frame (counted from 0), None where the header does not say or says nonsense."""
    position = _numbers(_attribute(dataset, frame, "PlanePositionSequence", "ImagePositionPatient"), 3)
    orientation = _numbers(
        _attribute(dataset, frame, "PlaneOrientationSequence", "ImageOrientationPatient"), 6
    )
    if position is None or orientation is None:
        return None
    row, column = _triple(orientation[:3]), _triple(orientation[3:])
    lengths = math.hypot(*row), math.hypot(*column)
    if any(abs(length - 1) > 0.02 for length in lengths) or abs(dot(row, column)) > 0.02:
        return None
    return Plane(position=_triple(position), row=row, column=column)


def spacing_of(dataset: Dataset, frame: int = 0) -> SpacingMm | None:
    """Return Pixel Spacing (between rows, between columns) of a frame; None where absent or not positive."""
    values = _numbers(_attribute(dataset, frame, "PixelMeasuresSequence", "PixelSpacing"), 2)
    return positive_spacing(values)


def positive_spacing(values: Sequence[float] | None) -> SpacingMm | None:
    """Return the pair when both are positive; real files carry ``0.000\\\\0.000``."""
    if values is None or len(values) != 2 or min(values) <= 0:
        return None
    return (values[0], values[1])


def group_value(dataset: Dataset, frame: int, sequence: str, keyword: str) -> object:
    """Return an attribute of a functional group, None when absent; per frame before shared (C.7.6.16.1)."""
    for groups in _functional_groups(dataset, frame):
        items = groups.get(sequence)
        if items and keyword in items[0]:
            value: object = items[0][keyword].value
            return value
    return None


def numbers(dataset: Dataset, keyword: str, count: int) -> list[float] | None:
    """Return ``count`` finite numbers of an attribute, None when there are not so many."""
    return _numbers(dataset.get(keyword), count)


def _functional_groups(dataset: Dataset, frame: int) -> Iterator[Dataset]:
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if frame < len(per_frame):
        yield per_frame[frame]
    yield from (dataset.get("SharedFunctionalGroupsSequence") or [])[:1]


def _attribute(dataset: Dataset, frame: int, sequence: str, keyword: str) -> object:
    value = group_value(dataset, frame, sequence, keyword)
    return dataset.get(keyword) if value is None else value


def _numbers(value: object, count: int) -> list[float] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        return None
    try:
        found = [float(item) for item in value]
    except (TypeError, ValueError):
        return None
    return found if all(map(math.isfinite, found)) else None


def _triple(values: Sequence[float]) -> Triple:
    return (values[0], values[1], values[2])
