"""Made pictures of the wrong kind, to fit the gate by and to try it on; the same for the same seed."""

from collections.abc import Callable
from enum import Enum

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Pictures = npt.NDArray[np.uint8]
_Picture = npt.NDArray[np.float64]
_Paint = Callable[[np.random.Generator, _Picture, _Picture], _Picture]


class MadeKind(Enum):
    """What is drawn."""

    NOISE = "white noise"
    CLOUDS = "clouds"
    DISC = "discs"
    GRADIENT = "gradients"
    TEXTURE = "gratings and chequers"
    SECTION = "body sections without lung"
    """An ellipse of soft tissue with rim, bones and gas: a head or an abdomen in a lung window."""
    WEDGE = "step wedges"
    """A test object: steps of grey with round inserts."""
    LIMB = "made limbs"
    """One or two long bones in soft tissue, on black or nearly so."""


FITTED_KINDS = tuple(kind for kind in MadeKind if kind not in {MadeKind.WEDGE, MadeKind.LIMB})
"""The others are kept for trying the gate on what it was not fitted by."""


def make_pictures(kind: MadeKind, *, count: int, size: int, seed: int) -> Pictures:
    """Return pictures (count, size, size)."""
    draw = np.random.default_rng((seed, list(MadeKind).index(kind)))
    rows, columns = np.mgrid[0:size, 0:size] / size
    paint = _PAINTS[kind]
    shown = [np.clip(paint(draw, rows, columns), 0, 1) for _ in range(count)]
    return (np.stack(shown) * 255).round().astype(np.uint8)


def shuffled(pictures: Pictures, *, cells: int, seed: int) -> Pictures:
    """Return pictures (n, size, size) with their cells x cells tiles in another order, none in its place."""
    draw = np.random.default_rng((seed, cells))
    side = pictures.shape[1] // cells
    cut = pictures[:, : side * cells, : side * cells]
    tiles = cut.reshape(-1, cells, side, cells, side).swapaxes(2, 3).reshape(-1, cells * cells, side, side)
    mixed = np.stack([picture[_derangement(draw, cells * cells)] for picture in tiles])
    back = mixed.reshape(-1, cells, cells, side, side).swapaxes(2, 3)
    whole = pictures.copy()  # a size that the tiles do not divide keeps its last rows and columns
    whole[:, : side * cells, : side * cells] = back.reshape(-1, side * cells, side * cells)
    return whole


def _derangement(draw: np.random.Generator, count: int) -> npt.NDArray[np.intp]:
    """Return an order in which no tile stays: a cycle through a random order."""
    order = draw.permutation(count)
    moved = np.empty(count, dtype=np.intp)
    moved[order] = np.roll(order, 1)
    return moved


def _noise(draw: np.random.Generator, rows: _Picture, _: _Picture) -> _Picture:
    return draw.random(rows.shape)


def _clouds(draw: np.random.Generator, rows: _Picture, _: _Picture) -> _Picture:
    cells = int(draw.integers(3, 48))
    coarse = torch.from_numpy(draw.random((1, 1, cells, cells)))
    smooth: _Picture = functional.interpolate(coarse, size=rows.shape, mode="bicubic")[0, 0].numpy()
    return smooth


def _disc(draw: np.random.Generator, rows: _Picture, columns: _Picture) -> _Picture:
    centre, radius = draw.uniform(0.4, 0.6, 2), draw.uniform(0.15, 0.48, 2)
    ground, inside = draw.uniform(0, 0.3), draw.uniform(0.5, 1)
    if draw.random() < 0.3:
        ground, inside = inside, ground
    away = np.hypot((rows - centre[0]) / radius[0], (columns - centre[1]) / radius[1])
    edge = np.clip((away - 1) / draw.uniform(0.005, 0.1), -50, 50)
    disc: _Picture = ground + (inside - ground) / (1 + np.exp(edge)) + draw.normal(0, 0.02, rows.shape)
    return disc


def _gradient(draw: np.random.Generator, rows: _Picture, columns: _Picture) -> _Picture:
    angle = draw.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * columns + np.sin(angle) * rows
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    shown: _Picture = ramp ** draw.uniform(0.4, 2.5) * draw.uniform(0.5, 1)
    return shown + draw.normal(0, 0.01, rows.shape)


def _texture(draw: np.random.Generator, rows: _Picture, columns: _Picture) -> _Picture:
    angle, waves = draw.uniform(0, np.pi), draw.uniform(2, 40)
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.cos(angle) * rows - np.sin(angle) * columns
    grating: _Picture = np.sin(2 * np.pi * waves * along + draw.uniform(0, 6))
    if draw.random() < 0.5:
        grating = np.sign(grating) * np.sign(np.sin(2 * np.pi * waves * across))
    return 0.5 + 0.4 * grating


def _section(draw: np.random.Generator, rows: _Picture, columns: _Picture) -> _Picture:
    ground, flesh = draw.uniform(0, 0.3), draw.uniform(0.6, 0.95)
    middle, radius = draw.uniform(0.45, 0.55, 2), draw.uniform((0.25, 0.3), (0.46, 0.49))
    away = np.hypot((rows - middle[0]) / radius[0], (columns - middle[1]) / radius[1])
    rim, thick = draw.uniform(0.7, 1), draw.uniform(0.03, 0.2)
    shown = np.where(away < 1, rim, ground)
    organs = flesh + draw.uniform(0, 0.15) * (_clouds(draw, rows, columns) - 0.5)
    shown = np.where(away < 1 - thick, organs, shown)
    for grey, most in ((1.0, 0.12), (draw.uniform(0, 0.3), 0.08)):  # bones, then gas
        for _ in range(int(draw.integers(1, 7))):
            place = middle + draw.uniform(-0.65, 0.65, 2) * radius
            size = draw.uniform(0.01, most, 2)
            spot = np.hypot((rows - place[0]) / size[0], (columns - place[1]) / size[1])
            shown = np.where((spot < 1) & (away < 1), grey, shown)
    return shown + draw.normal(0, draw.uniform(0.005, 0.03), rows.shape)


def _wedge(draw: np.random.Generator, rows: _Picture, columns: _Picture) -> _Picture:
    steps = int(draw.integers(4, 12))
    greys = np.linspace(draw.uniform(0, 0.3), draw.uniform(0.6, 1), steps)[:: draw.choice([-1, 1])]
    wedge: _Picture = greys[np.minimum((rows * steps).astype(int), steps - 1)]
    shown = np.where(np.abs(columns - 0.5) < draw.uniform(0.15, 0.45), wedge, draw.choice([0.0, 0.1, 0.9]))
    for row, column, radius in zip(*draw.uniform(0.1, 0.9, (2, 4)), draw.uniform(0.02, 0.08, 4), strict=True):
        shown = np.where(np.hypot(rows - row, columns - column) < radius, draw.random(), shown)
    return shown + draw.normal(0, 0.015, rows.shape)


def _limb(draw: np.random.Generator, rows: _Picture, columns: _Picture) -> _Picture:
    ground, angle = draw.uniform(0, 0.1), draw.uniform(-0.4, 0.4) + (np.pi / 2) * (draw.random() < 0.3)
    across = np.cos(angle) * (columns - 0.5) + np.sin(angle) * (rows - 0.5)
    shown: _Picture = np.full(rows.shape, ground)
    for middle in draw.choice([0.0, -0.1, 0.12], size=int(draw.integers(1, 3)), replace=False):
        width = draw.uniform(0.12, 0.3)
        flesh = np.clip(1 - ((across - middle) / width) ** 2, 0, 1)
        bone = np.clip(1 - ((across - middle) / (0.4 * width)) ** 2, 0, 1)
        shown = np.maximum(shown, ground + 0.45 * np.sqrt(flesh)) + 0.45 * np.sqrt(bone) * (1 - 0.45 * bone)
    return shown + draw.normal(0, 0.015, rows.shape)


_PAINTS: dict[MadeKind, _Paint] = {
    MadeKind.NOISE: _noise,
    MadeKind.CLOUDS: _clouds,
    MadeKind.DISC: _disc,
    MadeKind.GRADIENT: _gradient,
    MadeKind.TEXTURE: _texture,
    MadeKind.SECTION: _section,
    MadeKind.WEDGE: _wedge,
    MadeKind.LIMB: _limb,
}
