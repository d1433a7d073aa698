"""Pictures of results for the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

OURS, PUBLISHED = "#1f5f99", "#b45f06"
COLOURS = (OURS, PUBLISHED, "#3a7d44", "#7b3f98", "#555555")
DPI = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One figure with its interval, and what a paper prints for it."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    published: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Figures along an axis with their deviation; dashed without one."""

    name: str
    values: tuple[float, ...]
    deviations: tuple[float, ...] | None
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lines over common places."""

    title: str
    axis: str
    places: tuple[float, ...]
    lines: tuple[Line, ...]


def draw_dots(dots: Sequence[Dot], path: Path, *, title: str, axis: str) -> None:
    """Draw a row a figure, with its interval and the published figure as a ring."""
    figure, axes = _figure(7.0, 1.4 + 0.36 * len(dots))
    places = np.arange(len(dots))[::-1]
    for place, dot in zip(places, dots, strict=True):
        if dot.low is not None and dot.high is not None:
            axes.plot([dot.low, dot.high], [place, place], color=OURS, linewidth=2, alpha=0.5, zorder=1)
    axes.scatter([d.value for d in dots], places, color=OURS, s=34, zorder=2, label="measured here (95 %)")
    printed = [(d.published, p) for d, p in zip(dots, places, strict=True) if d.published is not None]
    if printed:
        x, y = zip(*printed, strict=True)
        axes.scatter(
            x, y, facecolors="none", edgecolors=PUBLISHED, s=44, zorder=3, label="published, not reproduced"
        )
    axes.set_yticks(places, [dot.name for dot in dots])
    axes.set_ylim(-0.7, len(dots) - 0.3)
    axes.set_xlabel(axis)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.42 / len(dots) ** 0.5), ncols=2, frameon=False
    )
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def draw_panels(panels: Sequence[Panel], path: Path, *, title: str, axis: str) -> None:
    """Draw panels side by side on one scale from 0 to 1."""
    figure = Figure(figsize=(5.2 * len(panels), 4.3), layout="constrained")
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        for line in panel.lines:
            _draw_line(axes, panel.places, line)
        axes.set_title(panel.title, fontsize=10)
        axes.set_xlabel(panel.axis)
        axes.set_xticks(panel.places)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
    drawn[0].set_ylabel(axis)
    handles, labels = drawn[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def draw_histograms(
    magnitudes: Mapping[str, npt.NDArray[np.float32]], path: Path, *, title: str, axis: str
) -> None:
    """Draw distributions of positive numbers over a logarithmic axis, without the lowest thousandth."""
    figure, axes = _figure(7.0, 4.6)
    everything = np.concatenate([m.ravel() for m in magnitudes.values()])
    positive = everything[everything > 0]
    low, high = np.quantile(positive, 0.001), positive.max()
    bins = np.geomspace(low, high, 70).tolist()
    for colour, (name, values) in zip(COLOURS, magnitudes.items(), strict=False):
        inside = values.ravel()[values.ravel() >= low]
        shares = np.full(inside.size, 1 / values.size)
        axes.hist(inside, bins=bins, weights=shares, color=colour, alpha=0.15)
        axes.hist(inside, bins=bins, weights=shares, color=colour, histtype="step", linewidth=1.4)
        mean = float(values.mean())
        axes.axvline(mean, color=colour, linestyle="--", linewidth=1.2, label=f"{name}: mean {mean:.3g}")
    axes.set_xscale("log")
    axes.set_xlabel(axis)
    axes.set_ylabel("share of weights and batches")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def _draw_line(axes: Axes, places: Sequence[float], line: Line) -> None:
    if line.deviations is None:
        axes.plot(
            places,
            line.values,
            color=line.colour,
            linestyle="--",
            marker="o",
            fillstyle="none",
            label=line.name,
        )
        return
    axes.errorbar(
        places, line.values, yerr=line.deviations, color=line.colour, marker="o", capsize=3, label=line.name
    )


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI)
