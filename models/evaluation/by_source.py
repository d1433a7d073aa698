"""Scores source by source, and what a model says about labels that it does not know."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from models.contract import SetScores
from models.datasets.manifest import ImageRow
from models.evaluation.answers import AnsweredRows, answered_rows, answers_of
from models.evaluation.metrics import score


def scores_by_source(
    rows: Sequence[ImageRow], logits: Tensor, labels: tuple[str, ...], *, temperature: float, seed: int
) -> dict[str, SetScores]:
    """Return the scores of each source, for rows of known labels."""
    answers = answers_of(rows, logits, labels, temperature)
    sources = np.array([row.source for row in rows])
    return {
        source: score(answers.subset(sources == source), seed=seed)
        for source in sorted({row.source for row in rows})
    }


def answers_to_unknown_labels(
    rows: Sequence[ImageRow], logits: Tensor, labels: tuple[str, ...]
) -> dict[str, dict[str, int]]:
    """Return, for labels that the model has no class for, how often it gave which answer."""
    return unknown_label_counts(answered_rows(rows, logits, labels, 1.0))


def unknown_label_counts(answered: AnsweredRows) -> dict[str, dict[str, int]]:
    """Return, by label and source, how often rows of labels without a class were answered how."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, answer in zip(answered.rows, answered.predicted, strict=True):
        if row.label not in answered.labels:
            counts[f"{row.label or 'no label'} ({row.source})"][answer] += 1
    return {name: dict(sorted(counter.items())) for name, counter in sorted(counts.items())}
