"""What a model says about a manifest: scores by part and source, beside what a border alone tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.contract import AppliedPoint, BorderBaseline, KeyFigure, SetScores
from models.evaluation.answers import AnsweredRows
from models.evaluation.border_baseline import crossed_border_baselines
from models.evaluation.by_source import scores_by_source, unknown_label_counts
from models.evaluation.calibration import at_thresholds
from models.evaluation.key_figures import key_figures
from models.evaluation.metrics import score

Baselines = dict[str, tuple[BorderBaseline, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestReport:
    """Everything that is reported on answered rows."""

    answered: AnsweredRows
    overall: dict[str, SetScores]
    """By part."""
    by_source: dict[str, dict[str, SetScores]]
    """By part and source."""
    operating_points: dict[str, dict[str, AppliedPoint]]
    """By part and label, at thresholds that were chosen on validation."""
    border_baselines: Baselines
    """By part."""
    key_figures: tuple[KeyFigure, ...]
    unknown_labels: dict[str, dict[str, int]]
    notes: tuple[str, ...] = field(default=())
    """What a reader must know about these figures."""


def report_on(
    answered: AnsweredRows, *, thresholds: Mapping[str, float], baselines: Baselines, seed: int
) -> ManifestReport:
    """Score answered rows; those of labels that the model does not know are counted by its answer."""
    parts = {part: answered.where(known_in(answered, part)) for part in _parts(answered)}
    return ManifestReport(
        answered=answered,
        overall={part: score(rows.answers(), seed=seed) for part, rows in parts.items()},
        by_source={part: scores_by_source(rows, seed=seed) for part, rows in parts.items()},
        operating_points={
            part: at_thresholds(rows.answers(), thresholds, seed=seed) if thresholds else {}
            for part, rows in parts.items()
        },
        border_baselines=baselines,
        key_figures=tuple(
            figure
            for part in sorted({row.part for row in answered.rows})
            for figure in key_figures(
                answered.where([row.part == part for row in answered.rows]),
                baselines.get(part, ()),
                seed=seed,
            )
        ),
        unknown_labels=unknown_label_counts(answered),
    )


def border_baselines_by_part(
    answered: AnsweredRows, small: npt.NDArray[np.float32], *, seed: int
) -> Baselines:
    """Return each part's border baselines, in folds of its own rows (n, 32, 32) in [0, 1]."""
    found: Baselines = {}
    for part in sorted({row.part for row in answered.rows}):
        there = np.array([row.part == part for row in answered.rows])
        rows = answered.where(there).rows
        found[part] = crossed_border_baselines(rows, small[there], answered.labels, seed)
    return found


def known_in(answered: AnsweredRows, part: str) -> npt.NDArray[np.bool_]:
    """Return (n,): whether a row is of this part and of a label that the model knows."""
    return answered.known & np.array([row.part == part for row in answered.rows], dtype=np.bool_)


def _parts(answered: AnsweredRows) -> tuple[str, ...]:
    known = zip(answered.rows, answered.known, strict=True)
    return tuple(sorted({row.part for row, is_known in known if is_known}))
