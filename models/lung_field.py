"""Which axial CT slices show lung: air inside the body, on both sides, too large for sinuses or bowel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from models.errors import UnusableInput

AIR_BELOW_HU = -400
"""Lung and air are darker than this, fat and soft tissue brighter."""
PURE_AIR_BELOW_HU = -975
"""Gas without tissue (bowel, sinuses, trachea); lung holds tissue and blood and is brighter."""
LEAST_LUNG_MM2 = 1500.0
"""Least lung area on one slice; the sinuses and the airways of a head stay far below."""
LEAST_SIDE_MM2 = 300.0
"""Least lung area on each side of the body's middle."""
LEAST_TISSUE_SHARE = 0.35
"""Least share of a lung region that is not pure gas."""
LEAST_BODY_MM = 140.0
"""Least width of the body: no adult chest is narrower, a limb or a phantom insert is."""
CELL_MM = 2.0
"""Slices are judged on a grid of about this spacing: fine enough for areas, quick enough for every slice."""

Hounsfield = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class LungField:
    """What of an axial slice is lung."""

    area_mm2: float
    left_mm2: float
    """Area on the side of the low column numbers."""
    right_mm2: float
    body_mm2: float
    body_width_mm: float

    @property
    def fraction(self) -> float:
        """Share of the body's cross-section that is lung."""
        return self.area_mm2 / self.body_mm2 if self.body_mm2 else 0.0

    @property
    def shows_lung(self) -> bool:
        """Whether the slice shows lung enough on both sides to be read."""
        return (
            self.area_mm2 >= LEAST_LUNG_MM2
            and min(self.left_mm2, self.right_mm2) >= LEAST_SIDE_MM2
            and self.body_width_mm >= LEAST_BODY_MM
        )


def lung_fraction(slice_hu: Hounsfield, spacing_mm: tuple[float, float]) -> float:
    """Return the share of the body's cross-section that is lung, for a slice (rows, columns) in HU."""
    return lung_field(slice_hu, spacing_mm).fraction


def shows_lung(slice_hu: Hounsfield, spacing_mm: tuple[float, float]) -> bool:
    """Return whether an axial slice (rows, columns) in HU shows lung on both sides.

    Parameters
    ----------
    slice_hu
        Modality values (PS3.3 C.11.1), int16; padding may be any value below air.
    spacing_mm
        Pixel Spacing (PS3.3 10.7.1.3): between rows, between columns.
    """
    return lung_field(slice_hu, spacing_mm).shows_lung


def lung_field(slice_hu: Hounsfield, spacing_mm: tuple[float, float]) -> LungField:
    """Measure the lung on an axial slice (rows, columns) in HU.

    Raises
    ------
    UnusableInput
        The array is no int16 slice or the spacing is not positive.
    """
    if slice_hu.ndim != 2 or slice_hu.dtype != np.int16 or min(spacing_mm) <= 0:
        raise UnusableInput(f"a slice is int16 (rows, columns) in HU, not {slice_hu.dtype} {slice_hu.shape}")
    hu, (row_mm, column_mm) = _coarse(slice_hu, spacing_mm)
    cell_mm2 = row_mm * column_mm
    tissue = hu > AIR_BELOW_HU
    body = _largest(tissue)
    columns = np.flatnonzero(body.any(axis=0))
    if columns.size == 0:
        return LungField(area_mm2=0.0, left_mm2=0.0, right_mm2=0.0, body_mm2=0.0, body_width_mm=0.0)
    inside = ~_reached_from_edge(~body)
    lung = _lung_regions(inside & ~tissue, hu, cell_mm2)
    middle = (int(columns[0]) + int(columns[-1]) + 1) // 2
    return LungField(
        area_mm2=float(lung.sum() * cell_mm2),
        left_mm2=float(lung[:, :middle].sum() * cell_mm2),
        right_mm2=float(lung[:, middle:].sum() * cell_mm2),
        body_mm2=float(inside.sum() * cell_mm2),
        body_width_mm=float((columns[-1] - columns[0] + 1) * column_mm),
    )


def _coarse(
    slice_hu: Hounsfield, spacing_mm: tuple[float, float]
) -> tuple[npt.NDArray[np.float32], tuple[float, float]]:
    """Average down to cells of about ``CELL_MM``."""
    rows, columns = slice_hu.shape
    size = tuple(max(1, round(n * mm / CELL_MM)) for n, mm in zip((rows, columns), spacing_mm, strict=True))
    size = (min(size[0], rows), min(size[1], columns))
    values = torch.from_numpy(np.clip(slice_hu, -1024, 3071).astype(np.float32))
    small = functional.interpolate(values[None, None], size=size, mode="area")[0, 0].numpy()
    return small, (rows * spacing_mm[0] / size[0], columns * spacing_mm[1] / size[1])


def _lung_regions(air: Mask, hu: npt.NDArray[np.float32], cell_mm2: float) -> Mask:
    """Keep the air regions inside the body that hold tissue as lung does."""
    labels, count = label_regions(air)
    lung = np.zeros_like(air)
    for label in range(1, count + 1):
        region = labels == label
        big = float(region.sum()) * cell_mm2 >= LEAST_SIDE_MM2
        if big and float(np.mean(hu[region] > PURE_AIR_BELOW_HU)) >= LEAST_TISSUE_SHARE:
            lung |= region
    return lung


def _largest(mask: Mask) -> Mask:
    labels, count = label_regions(mask)
    if not count:
        return mask
    largest: Mask = labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1
    return largest


def _reached_from_edge(mask: Mask) -> Mask:
    """Return the part of a mask that touches the picture's edge: the air around the body."""
    labels, _ = label_regions(mask)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    reached: Mask = np.isin(labels, edge[edge > 0])
    return reached


def label_regions(mask: Mask) -> tuple[npt.NDArray[np.int32], int]:
    """Number the four-connected regions of a mask from 1, and return how many there are."""
    labels, count = ndimage.label(mask)
    return labels.astype(np.int32), int(count)
