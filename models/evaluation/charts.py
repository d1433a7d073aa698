"""Pictures of an evaluation: confusion matrix, ROC curves and reliability diagram."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.contract import Estimate, SetScores
from models.evaluation.calibration_error import ReliabilityBin
from models.evaluation.ranking import RocCurve
from models.evaluation.tables import Titles, figure

DPI = 150
COLOURS = ("#1f5f99", "#b45f06", "#3a7d44", "#7b3f98", "#a61c3c", "#555555")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
FAINT = "#9a9a9a"
WRAP = 15
"""Characters of a line of a label's title."""


def draw_confusion(scores: SetScores, titles: Titles, heading: str, path: Path) -> None:
    """Draw counts with their share of the row; rows are what is, columns what was answered."""
    rows = tuple(label for label in titles if label in scores.confusion)
    counts = np.array([[scores.confusion[i][j] for j in titles] for i in rows])
    shares = counts / counts.sum(axis=1, keepdims=True)
    names = {label: fill(title, WRAP) for label, title in titles.items()}
    canvas, axes = _sheet(2.0 + 1.15 * len(titles), 1.7 + 0.8 * len(rows))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(titles)), list(names.values()), fontsize=9)
    sides = [f"{names[i]} ({n})" for i, n in zip(rows, counts.sum(1), strict=True)]
    axes.set_yticks(range(len(rows)), sides, fontsize=9)
    axes.set(xlabel="answered", ylabel="is (rows)", title=heading)
    for (i, j), share in np.ndenumerate(shares):
        ink = "white" if share > 0.6 else "black"
        axes.text(j, i, f"{counts[i, j]}\n{share:.0%}", ha="center", va="center", color=ink, fontsize=9)
    axes.spines[:].set_visible(False)
    _save(canvas, path)


def draw_roc(curves: dict[str, RocCurve], scores: SetScores, titles: Titles, path: Path) -> None:
    """Draw each label's curve, one against the rest, with its area and interval."""
    canvas, axes = _sheet(5.4, 5.4)
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1, linestyle=":")
    for place, (label, curve) in enumerate(curves.items()):
        axes.plot(
            curve.false_positive_rate,
            curve.sensitivity,
            color=COLOURS[place % len(COLOURS)],
            linestyle=STYLES[place % len(STYLES)],
            linewidth=1.8,
            drawstyle="steps-post",
            label=f"{titles[label]}: {figure(scores.labels[label].roc_auc)}",
        )
    axes.set(
        xlabel="1 - specificity",
        ylabel="sensitivity",
        title="ROC, one against the rest",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.legend(loc="lower right", fontsize=8, title="area [95 %]", title_fontsize=8)
    _save(canvas, path)


def draw_reliability(bins: tuple[ReliabilityBin, ...], scores: SetScores, path: Path) -> None:
    """Draw accuracy against confidence, and below how many rows have which confidence."""
    sheet = Figure(figsize=(5.2, 5.8), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(sheet)
    above, below = sheet.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = [one for one in bins if one.rows]
    middles = np.array([(one.low + one.high) / 2 for one in bins])
    above.plot((0, 1), (0, 1), color=FAINT, linewidth=1, linestyle=":", label="perfectly calibrated")
    above.errorbar(
        [one.confidence for one in filled],
        [one.accuracy.value for one in filled],
        yerr=_arms([one.accuracy for one in filled]),
        color=COLOURS[0],
        ecolor=FAINT,
        elinewidth=1,
        marker="o",
        markersize=4,
        linewidth=1.5,
        label="measured, 95 % by group",
    )
    above.set(
        ylabel="accuracy",
        ylim=(-0.02, 1.02),
        title=_calibration(scores),
    )
    above.grid(color="#e6e6e6", linewidth=0.6)
    above.legend(loc="lower right", fontsize=8)
    below.bar(middles, _rows_of(bins), width=0.9 / len(bins), color=COLOURS[0])
    below.set(xlabel="probability of the answer", ylabel="rows", xlim=(0, 1))
    _clean(above)
    _clean(below)
    _save(canvas, path)


def _arms(accuracies: Sequence[Estimate]) -> npt.NDArray[np.float64]:
    """Return (2, n): how far the intervals reach below and above, nothing where there is none."""
    below = [a.value - (a.value if a.low is None else min(a.low, a.value)) for a in accuracies]
    above = [(a.value if a.high is None else max(a.high, a.value)) - a.value for a in accuracies]
    return np.array([below, above])


def _calibration(scores: SetScores) -> str:
    error = scores.expected_calibration_error
    return f"Expected calibration error {figure(error)}" if error else "Reliability of one label's rows"


def _rows_of(bins: tuple[ReliabilityBin, ...]) -> npt.NDArray[np.int64]:
    return np.array([one.rows for one in bins], dtype=np.int64)


def _sheet(width: float, height: float) -> tuple[FigureCanvasAgg, Axes]:
    sheet = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(sheet)
    axes = sheet.subplots()
    _clean(axes)
    return canvas, axes


def _clean(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _save(canvas: FigureCanvasAgg, path: Path) -> None:
    canvas.figure.savefig(path)
