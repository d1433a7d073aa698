"""The one definition of how pixels become network input, for training and serving; the card freezes it.

Every image is squashed to a square (aspect alone would give the source of a training film away), first to a
common resolution (so would resolution), then to the network's input size, as 0..255 grey in three channels.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.errors import UnusableInput
from models.preprocessing_spec import Preprocessing

if TYPE_CHECKING:
    from monai.transforms import Compose


def prepare_radiograph(pixels: npt.NDArray[np.float32], spec: Preprocessing) -> Tensor:
    """Return network input (1, 3, size, size) of a film (rows, columns) in [0, 1], white is dense.

    Intensities are scaled after resizing: the same numbers as the declared order, five times faster.
    """
    if pixels.ndim != 2 or pixels.dtype != np.float32:
        raise UnusableInput(f"a film is a float32 array (rows, columns), not {pixels.dtype} {pixels.shape}")
    return prepare_grey(torch.from_numpy(np.ascontiguousarray(pixels))[None], spec)


def prepare_slices(slices: npt.NDArray[np.int16], spec: Preprocessing) -> Tensor:
    """Return network input (n, 3, size, size) of axial slices (n, rows, columns) in HU.

    The window clips before resizing, as in training pictures that were windowed by others.
    """
    if slices.ndim != 3 or slices.dtype != np.int16:
        raise UnusableInput(
            f"slices are an int16 array (n, rows, columns), not {slices.dtype} {slices.shape}"
        )
    if spec.window is None:
        raise UnusableInput("this model has no CT window")
    low, high = spec.window.lowest, spec.window.highest
    clipped = np.clip(slices, low, high).astype(np.float32)
    return prepare_grey((torch.from_numpy(clipped) - low) / float(high - low), spec)


def prepare_grey(images: Tensor, spec: Preprocessing) -> Tensor:
    """Return network input (n, 3, size, size) of grey images (n, rows, columns) in [0, 1]."""
    return finish_common(to_common(images, spec), spec)


def to_common(images: Tensor, spec: Preprocessing) -> Tensor:
    """Squash grey images (n, rows, columns) to (n, common, common) by area; the cache keeps this step."""
    return functional.interpolate(images[None], (spec.common_size, spec.common_size), mode="area")[0]


def finish_common(images: Tensor, spec: Preprocessing) -> Tensor:
    """Bring common-size images (n, common, common) in [0, 1] to network input (n, 3, size, size)."""
    resized = functional.interpolate(images[None], (spec.input_size, spec.input_size), mode="bilinear")[0]
    return (resized * spec.pixel_scale)[:, None].expand(-1, spec.channels, -1, -1)


def declared_transform(spec: Preprocessing) -> "Compose":
    """Return the same preparation in MONAI's usual order, for one image (rows, columns).

    This is the readable definition; a test holds the fast path above to it. MONAI itself takes as long to
    import as all the rest of a worker, which must be back soon after it was killed: so only here.
    """
    from monai.transforms import (
        Compose,
        EnsureChannelFirst,
        EnsureType,
        RepeatChannel,
        Resize,
        ScaleIntensityRange,
    )

    low, high = (spec.window.lowest, spec.window.highest) if spec.window else (0.0, 1.0)
    return Compose(
        [
            EnsureChannelFirst(channel_dim="no_channel"),
            EnsureType(dtype=torch.float32),
            ScaleIntensityRange(low, high, 0.0, spec.pixel_scale, clip=True),
            Resize((spec.common_size, spec.common_size), mode="area"),
            Resize((spec.input_size, spec.input_size), mode="bilinear"),
            RepeatChannel(spec.channels),
        ]
    )
