"""Scores source by source, and what a model says about labels that it does not know."""

from collections import Counter, defaultdict

import numpy as np

from models.contract import SetScores
from models.evaluation.answers import AnsweredRows
from models.evaluation.metrics import score


def scores_by_source(answered: AnsweredRows, *, seed: int) -> dict[str, SetScores]:
    """Return the scores of each source, of the rows whose label the model knows."""
    known = answered.where(answered.known)
    sources = np.array([row.source for row in known.rows])
    return {
        source: score(known.where(sources == source).answers(), seed=seed)
        for source in sorted(set(sources.tolist()))
    }


def unknown_label_counts(answered: AnsweredRows) -> dict[str, dict[str, int]]:
    """Return, by label and source, how often rows of labels without a class were answered how."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, answer in zip(answered.rows, answered.predicted, strict=True):
        if row.label not in answered.labels:
            counts[f"{row.label or 'no label'} ({row.source})"][answer] += 1
    return {name: dict(sorted(counter.items())) for name, counter in sorted(counts.items())}
