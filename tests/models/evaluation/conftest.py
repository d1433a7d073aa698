"""Made answers."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from models.datasets.manifest import ImageRow
from models.evaluation.answers import AnsweredRows

MakeAnswered = Callable[..., AnsweredRows]


@pytest.fixture
def answered() -> MakeAnswered:
    """Return a function of (label, answer) pairs with optional sources, groups and parts."""

    def make(
        told: Sequence[tuple[str, str]],
        *,
        labels: Sequence[str],
        sources: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        parts: Sequence[str] | None = None,
    ) -> AnsweredRows:
        rows = tuple(
            ImageRow(
                file=f"{number}.png",
                label=label,
                source=sources[number] if sources else "one",
                group=groups[number] if groups else str(number),
                part=parts[number] if parts else "train",
                sha256="",
            )
            for number, (label, _) in enumerate(told)
        )
        probabilities = np.full((len(told), len(labels)), 0.2 / len(labels))
        for number, (_, answer) in enumerate(told):
            probabilities[number, list(labels).index(answer)] += 0.8
        return AnsweredRows(rows=rows, labels=tuple(labels), probabilities=probabilities)

    return make
