"""Pictures with their heat maps side by side: a row a picture, as in the papers' figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.contract import FloatArray
from models.explanation.explainer import PictureExplained

DPI = 130
CELL = 2.5  # inches
STRENGTH = 0.6
"""Opacity of the strongest place."""
ROWS_OF_A_SHEET = 6
KEY = "Overlay: what speaks for the label, the stronger the more opaque."
KEY_OF_DEPTHS = (
    "Depths: red speaks for the label, blue against it, on one range a model; "
    "the mean is the share of the logit."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One picture and what each model says of it, the one without modules first."""

    picture: Path
    pixels: FloatArray
    explained: tuple[PictureExplained, ...]


def draw_sheets(rows: Sequence[SheetRow], folder: Path) -> tuple[Path, ...]:
    """Draw all rows, some on a sheet, and return the files."""
    parts = [rows[first : first + ROWS_OF_A_SHEET] for first in range(0, len(rows), ROWS_OF_A_SHEET)]
    names = ["panel.png"] if len(parts) == 1 else [f"panel_{n}.png" for n in range(1, len(parts) + 1)]
    for part, name in zip(parts, names, strict=True):
        _draw(part, folder / name)
    return tuple(folder / name for name in names)


def overlay(pixels: FloatArray, heat: FloatArray) -> npt.NDArray[np.float64]:
    """Return the picture (rows, columns, 3) with its heat map laid over it, the stronger the more opaque."""
    colours = mpl.colormaps["inferno"](heat)[..., :3]
    opacity = (STRENGTH * heat)[..., None]
    mixed: npt.NDArray[np.float64] = pixels[..., None] * (1 - opacity) + colours * opacity
    return mixed


def _draw(rows: Sequence[SheetRow], path: Path) -> None:
    columns = max(_columns(row) for row in rows)
    figure = Figure(figsize=(CELL * columns, (CELL + 0.75) * len(rows)), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        for axes in line:
            axes.set_axis_off()
        _draw_row(list(line), row)
    several = any(len(each.scales) > 1 for row in rows for each in row.explained)
    figure.supxlabel(f"{KEY}\n{KEY_OF_DEPTHS}" if several else KEY, fontsize=8, x=0.01, ha="left")
    canvas.print_figure(path)


def _columns(row: SheetRow) -> int:
    return 1 + sum(1 + _extra_columns(each) for each in row.explained)


def _extra_columns(each: PictureExplained) -> int:
    """Return how many columns a model takes beside its heat map: its depths, if several, and CID."""
    return (len(each.scales) if len(each.scales) > 1 else 0) + (each.attention is not None)


def _draw_row(line: list[Axes], row: SheetRow) -> None:
    places = iter(line)
    first = next(places)
    first.imshow(row.pixels, cmap="gray", vmin=0, vmax=1)
    first.set_title(row.picture.name, fontsize=8)
    for each in row.explained:
        _draw_model(places, row.pixels, each)


def _draw_model(places: Iterator[Axes], pixels: FloatArray, each: PictureExplained) -> None:
    axes = next(places)
    axes.imshow(overlay(pixels, each.heat))
    finding = f"{each.card.title_of(each.label)}: {each.probabilities[each.label]:.3f}"
    axes.set_title(f"{each.card.name}\n{finding}\n{each.map_name}", fontsize=8)
    grid = (0, pixels.shape[1], pixels.shape[0], 0)
    several = each.scales if len(each.scales) > 1 else ()
    reach = max((float(np.abs(scale).max()) for scale in several), default=0.0) or 1.0
    for number, scale in enumerate(several, start=1):
        axes = next(places)
        axes.imshow(scale, cmap="RdBu_r", vmin=-reach, vmax=reach, extent=grid)
        share = round(float(scale.mean()), 2) + 0.0  # no minus zero
        axes.set_title(f"depth {number} of {len(several)}\nshare of the logit {share:+.2f}", fontsize=8)
    if each.attention is not None:
        axes = next(places)
        axes.imshow(each.attention, cmap="viridis", extent=grid)
        low, high = each.attention.min(), each.attention.max()
        axes.set_title(f"CID attention\n{low:.2f} (dark) to {high:.2f}", fontsize=8)
