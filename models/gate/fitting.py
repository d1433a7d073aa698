"""The gate's statistics from training pictures and made outliers, its limits from validation pictures."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.contract import GateLimit, GateScore, GateSettings, ImageKind, PassShare
from models.evaluation.answers import Outputs
from models.gate.feature_space import fit_feature_space, telling_direction
from models.gate.statistics import GateStatistics, Scores, largest_excess
from models.gate.thumbnails import DISGUISES, THUMBNAIL, disguised

DECIDING = tuple(score for score in GateScore if score is not GateScore.ENERGY)
"""Energy is only reported: of trained networks it told least, and put good slices in HU at its limit."""
LIMIT_AT = 0.985
"""Share of validation pictures below a score's limit."""
COLLECTION_AT = 0.98
"""Share of each collection below the limit of all scores together, before the margin."""
MARGIN = 1.15
"""On the limit of them all: pictures of a collection that is not among the training ones lie farther out."""
LEAST_ROWS = 20
"""Rows of a collection below which its own quantile says nothing."""

_DISGUISED_EVERY = 4
Values = npt.NDArray[np.float64]


def fit_statistics(ours: Outputs, sources: Sequence[str], others: Outputs, kind: ImageKind) -> GateStatistics:
    """Fit on training pictures, their sources counting by the root of their rows, and on made outliers."""
    weights = torch.from_numpy(_source_weights(sources))
    mean = (weights.float()[:, None, None] * ours.thumbnails).sum(0)
    return GateStatistics(
        template=_template(ours.thumbnails, weights, others.thumbnails, kind),
        typical=mean / mean.square().sum().sqrt(),
        space=fit_feature_space(ours.pooled, weights),
        axis=telling_direction(ours.pooled, weights, others.pooled),
    )


def choose_settings(scores: Scores, sources: Sequence[str], kind: ImageKind) -> GateSettings:
    """Choose the limits on validation pictures: of every collection 98 % pass all of them together."""
    weights = _source_weights(sources)
    limits = {name: _limit(scores[name].double().numpy(), weights) for name in DECIDING}
    draft = GateSettings(kind=kind, limits=limits, validation_pass_share=0.0)
    excess = largest_excess(scores, draft).numpy()
    most = MARGIN * max(1.0, *(np.quantile(part, COLLECTION_AT) for part in _by_collection(excess, sources)))
    return draft.model_copy(
        update={
            "most_excess": round(float(most), 4),
            "validation_pass_share": round(float(np.mean(excess <= most)), 4),
        }
    )


def passes_of_halves(
    scores: Scores, sources: Sequence[str], groups: Sequence[str], kind: ImageKind
) -> dict[str, PassShare]:
    """Return, by source, how many validation pictures pass limits that were chosen on the others' groups."""
    names, which = np.unique(np.array(groups), return_inverse=True)
    half = np.random.default_rng(len(names)).permutation(len(names))[which] % 2 == 0
    passed = np.zeros(len(half), dtype=np.bool_)
    for judged in (half, ~half):
        there = [source for source, inside in zip(sources, judged, strict=True) if not inside]
        settings = choose_settings(_chosen(scores, ~judged), there, kind)
        passed[judged] = passes(_chosen(scores, judged), settings)
    return pass_shares(passed, sources)


def passes(scores: Scores, settings: GateSettings) -> npt.NDArray[np.bool_]:
    """Return which pictures (n,) pass."""
    found: npt.NDArray[np.bool_] = (largest_excess(scores, settings) <= settings.most_excess).numpy()
    return found


def pass_shares(passed: npt.NDArray[np.bool_], sources: Sequence[str]) -> dict[str, PassShare]:
    """Return how many pictures of each source pass."""
    named = np.array(sources)
    return {
        source: PassShare(
            rows=int(np.sum(named == source)), share=round(float(passed[named == source].mean()), 4)
        )
        for source in sorted(set(sources))
    }


def _template(standardised: Tensor, weights: Tensor, others: Tensor, kind: ImageKind) -> Tensor:
    """Return the (32, 32) pattern along which right thumbnails lie higher than disguised and made ones."""
    some = standardised[::_DISGUISED_EVERY]
    wrong = [disguised(some, way, white=0.0) for way in DISGUISES[kind]]
    direction = -telling_direction(standardised.flatten(1), weights, torch.cat([*wrong, others]).flatten(1))
    return (direction / direction.square().sum().sqrt()).reshape(THUMBNAIL, THUMBNAIL)


def _source_weights(sources: Sequence[str]) -> Values:
    counts = Counter(sources)
    weights = np.array([counts[source] ** -0.5 for source in sources])
    normed: Values = weights / weights.sum()
    return normed


def _limit(values: Values, weights: Values) -> GateLimit:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    typical, limit = np.interp([0.5, LIMIT_AT], share, values[order])
    return GateLimit(typical=float(typical), limit=max(float(limit), float(typical) + 1e-6))


def _by_collection(excess: Values, sources: Sequence[str]) -> list[Values]:
    named = np.array(sources)
    large = [source for source, rows in Counter(sources).items() if rows >= LEAST_ROWS]
    return [excess[named == source] for source in large] or [excess]


def _chosen(scores: Scores, mask: npt.NDArray[np.bool_]) -> Scores:
    rows = torch.from_numpy(mask)
    chosen: dict[GateScore, Tensor] = {name: value[rows] for name, value in scores.items()}
    return chosen
