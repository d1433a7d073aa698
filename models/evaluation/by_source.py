"""Scores of a set as a whole and source by source, with what the model says about labels it does not know."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from models.contract import SetScores
from models.datasets.manifest import ImageRow
from models.evaluation.answers import answers_of
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
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, answer in zip(rows, logits.argmax(1).tolist(), strict=True):
        if row.label not in labels:
            counts[f"{row.label} ({row.source})"][labels[answer]] += 1
    return {name: dict(sorted(counter.items())) for name, counter in sorted(counts.items())}
