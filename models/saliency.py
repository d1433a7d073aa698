"""From a network's maps to the heat map that a person sees, on the pixels of the source."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.networks.interface import Explained

MEETING_GRID = 128  # where the maps are summed, so that a large film is interpolated once


def maps_of(explained: Explained, index: int, label: int) -> tuple[Tensor, ...]:
    """Return one image's maps (rows_i, columns_i) for one label, fine to coarse."""
    return tuple(scale[index, label] for scale in explained.maps)


def heat_map(maps: Sequence[Tensor], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Return the evidence of one image's maps for their label on the source grid (rows, columns), in [0, 1].

    The maps are summed after bilinear interpolation; what speaks against the label is cut, and the strongest
    place becomes 1. All zero when nothing speaks for the label.
    """
    total = torch.zeros((1, 1, MEETING_GRID, MEETING_GRID))
    for cells in maps:
        total += functional.interpolate(
            cells[None, None].float().cpu(), size=total.shape[-2:], mode="bilinear"
        )
    positive = functional.interpolate(total, size=(rows, columns), mode="bilinear")[0, 0].clamp_(min=0)
    strongest = float(positive.max())
    scaled: npt.NDArray[np.float32] = (positive / strongest if strongest > 0 else positive).numpy()
    return scaled
