"""How well the gate tells pictures of a wrong kind from validation pictures, family by family."""

from dataclasses import dataclass

import numpy as np

from models.contract import COMBINED, GateScore, GateSettings, OutlierFamily
from models.evaluation.ranking import Ranking
from models.gate.fitting import Values, passes
from models.gate.statistics import Scores, largest_excess


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """Pictures of one wrong kind with their scores."""

    name: str
    scores: Scores
    fitted: bool
    """Whether pictures made the same way helped to fit the gate."""


def try_on(suspects: Suspects, right: Scores, settings: GateSettings) -> OutlierFamily:
    """Return the area under the ROC curve of every score, and the share that is refused."""
    areas = {
        name.value: _area(right[name].double().numpy(), suspects.scores[name].double().numpy())
        for name in GateScore
    }
    areas[COMBINED] = _area(
        largest_excess(right, settings).numpy(), largest_excess(suspects.scores, settings).numpy()
    )
    passed = passes(suspects.scores, settings)
    return OutlierFamily(
        name=suspects.name,
        rows=len(passed),
        fitted=suspects.fitted,
        roc_auc=areas,
        refused=round(1 - float(passed.mean()), 4),
    )


def _area(right: Values, wrong: Values) -> float:
    every = np.concatenate([right, wrong])
    positive = np.arange(len(every)) >= len(right)
    return round(Ranking(every, positive).area(np.ones(len(every))), 4)
