"""Pictures as standardised thumbnails, and the ways in which a picture can be shown wrongly."""

from enum import Enum

import torch
from torch import Tensor
from torch.nn import functional

from models.contract import ImageKind

THUMBNAIL = 32


class Disguise(Enum):
    """A right picture shown wrongly, in the words that a reader gets."""

    INVERTED = "inverted"
    UPSIDE_DOWN = "upside down"
    ON_ITS_LEFT = "turned to the left"
    ON_ITS_RIGHT = "turned to the right"


DISGUISES = {
    ImageKind.CHEST_RADIOGRAPH: tuple(Disguise),
    ImageKind.CHEST_CT: (Disguise.INVERTED,),  # slices of prone patients are upside down, and right
}


def thumbnails(images: Tensor) -> Tensor:
    """Return thumbnails (n, 32, 32), mean 0 and length 1, of grey images (n, rows, columns)."""
    small = functional.interpolate(images[:, None].float(), size=(THUMBNAIL, THUMBNAIL), mode="area")[:, 0]
    centred = small - small.mean((1, 2), keepdim=True)
    length = centred.square().sum((1, 2), keepdim=True).sqrt()
    return centred / length.clamp(min=1e-6)


def disguised(images: Tensor, disguise: Disguise, white: float) -> Tensor:
    """Return square images (n, size, size) in a disguise; an inverted one is ``white`` less the image."""
    match disguise:
        case Disguise.INVERTED:
            return white - images
        case Disguise.UPSIDE_DOWN:
            return images.flip(1)
        case Disguise.ON_ITS_LEFT:
            return torch.rot90(images, 1, (1, 2))
        case Disguise.ON_ITS_RIGHT:
            return torch.rot90(images, -1, (1, 2))


def undone(disguise: Disguise) -> Disguise:
    """Return what brings a picture in a disguise back."""
    match disguise:
        case Disguise.ON_ITS_LEFT:
            return Disguise.ON_ITS_RIGHT
        case Disguise.ON_ITS_RIGHT:
            return Disguise.ON_ITS_LEFT
        case _:
            return disguise
