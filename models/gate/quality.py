"""What is wrong with a picture before any network sees it."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.contract import FloatArray

LEAST_SIDE = 64
"""Rows or columns below which a picture is an icon."""
LEAST_SPREAD = 0.02
"""Standard deviation of a picture in [0, 1] below which it is blank."""
MOST_SATURATED = 0.75
"""Share of pixels at either end above which nothing is left to read; 0.64 was the most in any collection."""
LEAST_CONTENT = 0.3
"""Share of the picture inside its constant frame; 0.56 was the least in any collection."""
LEAST_SMOOTHNESS = 0.4
"""Correlation of neighbouring cells; noise has none, and 0.63 was the least in any collection."""
_CELLS = 64
_FLAT = 0.01


def quality_fault(pixels: FloatArray) -> str:
    """Return why nothing can be read from a picture (rows, columns) in [0, 1], or an empty text."""
    if min(pixels.shape) < LEAST_SIDE:
        return f"the image is too small ({pixels.shape[0]} x {pixels.shape[1]})"
    if not np.isfinite(pixels).all():
        return "pixels are not numbers"
    if float(pixels.std()) < LEAST_SPREAD:
        return "the image is blank"
    saturated = float(np.mean((pixels <= 0.002) | (pixels >= 0.998)))
    if saturated > MOST_SATURATED:
        return f"the image is saturated ({saturated:.0%} black or white)"
    return _fault_of_cells(_cells(pixels))


def _fault_of_cells(cells: Tensor) -> str:
    content = _content_share(cells)
    if content < LEAST_CONTENT:
        return f"the image is mostly an empty frame ({content:.0%} is picture)"
    if _smoothness(cells) < LEAST_SMOOTHNESS:
        return "the image is noise: neighbouring pixels have nothing in common"
    return ""


def _cells(pixels: FloatArray) -> Tensor:
    """Return the means (64, 64) of equal cells."""
    grey = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None, None]
    return functional.interpolate(grey, size=(_CELLS, _CELLS), mode="area")[0, 0]


def _content_share(cells: Tensor) -> float:
    """Return the share of the picture whose rows and columns are not constant."""
    rows, columns = cells.std(1) > _FLAT, cells.std(0) > _FLAT
    return float(rows.float().mean() * columns.float().mean())


def _smoothness(cells: Tensor) -> float:
    """Return the mean correlation of vertical and horizontal neighbours."""
    centred = cells - cells.mean()
    down = (centred[1:] * centred[:-1]).mean()
    across = (centred[:, 1:] * centred[:, :-1]).mean()
    return float((down + across) / 2 / centred.square().mean().clamp(min=1e-12))
