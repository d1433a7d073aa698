"""The chest gate's trial as a picture and as CSV."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.contract import GateSettings, OutlierFamily
from models.evaluation.charts import COLOURS, DPI, FAINT
from models.evaluation.gate_tables import SCORE_NAMES


def draw_gate(gate: GateSettings, heading: str, path: Path) -> None:
    """Draw each wrong kind's areas under the ROC curve, and beside them what is refused and what passes."""
    sheet = Figure(figsize=(13.0, 2.2 + 0.34 * len(gate.families)), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(sheet)
    areas, refused, passed = sheet.subplots(1, 3, width_ratios=(3.2, 1.2, 1.5))
    sheet.suptitle(heading, x=0.01, ha="left")
    _draw_areas(areas, gate.families)
    _draw_refused(refused, gate.families)
    _draw_passes(passed, gate)
    canvas.figure.savefig(path)


def write_families(gate: GateSettings, path: Path) -> None:
    """Write a row a family and a row a source to CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("pictures", "right", "rows", "fitted", *SCORE_NAMES, "refused"))
        for source, share in gate.pass_by_source.items():
            row = (source, "yes", share.rows, "", *("" for _ in SCORE_NAMES), round(1 - share.share, 4))
            writer.writerow(row)
        for one in gate.families:
            areas = (one.roc_auc.get(name, "") for name in SCORE_NAMES)
            writer.writerow((one.name, "no", one.rows, "yes" if one.fitted else "no", *areas, one.refused))


def _draw_areas(axes: Axes, families: tuple[OutlierFamily, ...]) -> None:
    table = np.array([[one.roc_auc.get(name, np.nan) for name in SCORE_NAMES] for one in families])
    axes.imshow(table, cmap="Blues", vmin=0.4, vmax=1.05, aspect="auto")
    axes.set_xticks(range(len(SCORE_NAMES)), SCORE_NAMES, rotation=25, ha="right")
    axes.set_yticks(range(len(families)), [f"{one.name}{' *' if one.fitted else ''}" for one in families])
    axes.set_title("area under the ROC curve\n(* the like was fitted on)", fontsize=9)
    for (row, column), value in np.ndenumerate(table):
        ink = "white" if value > 0.8 else "black"
        axes.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=7.5, color=ink)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8)


def _draw_refused(axes: Axes, families: tuple[OutlierFamily, ...]) -> None:
    shares = [100 * one.refused for one in families]
    axes.barh(range(len(families)), shares, color=COLOURS[0], height=0.7)
    for place, share in enumerate(shares):
        inside = share > 20
        side, ink = ("right", "white") if inside else ("left", "black")
        axes.text(
            share + (-3 if inside else 3), place, f"{share:.0f}", va="center", ha=side, color=ink, fontsize=8
        )
    axes.set(xlim=(0, 100), ylim=(len(families) - 0.5, -0.5), yticks=[], xlabel="% refused")
    axes.set_title("of pictures of a wrong kind", fontsize=9)
    _bare(axes)


def _draw_passes(axes: Axes, gate: GateSettings) -> None:
    sources = tuple(gate.pass_by_source)
    shares = [100 * gate.pass_by_source[source].share for source in sources]
    least = min([95.0, *shares]) - 2
    axes.hlines(range(len(sources)), least, shares, color=FAINT, linewidth=0.8)
    axes.plot(shares, range(len(sources)), "o", color=COLOURS[2], markersize=6, clip_on=False)
    axes.axvline(98, color=COLOURS[4], linewidth=1, linestyle="--")
    named = [
        f"{source}\n{shares[k]:.1f} of {gate.pass_by_source[source].rows}" for k, source in enumerate(sources)
    ]
    axes.set_yticks(range(len(sources)), named)
    axes.set(xlim=(least, 100), ylim=(max(len(sources), 1) - 0.5, -0.5), xlabel="% passed")
    axes.set_title("of right pictures, by source\n(dashed: 98)", fontsize=9)
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
