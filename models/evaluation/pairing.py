"""Two models on the same rows: differences of their figures with paired intervals by group."""

from collections.abc import Sequence

import numpy as np

from models.contract import Difference, Estimate, ModelComparison
from models.errors import NotComparable
from models.evaluation.answers import AnsweredRows
from models.evaluation.metrics import Answers, accuracies, confusions, f1_scores, means_over, sensitivities
from models.evaluation.resampling import Counts, estimate, resample


def compare(one: AnsweredRows, other: AnsweredRows, *, name: str, seed: int) -> ModelComparison:
    """Return one model's figures less the other's, over all rows that both answered and by source.

    Parameters
    ----------
    one, other
        Answers to the same rows by models with the same labels, in any order of either.
    name
        The other's.
    seed
        Of the bootstrap; a resample draws the same groups for both.

    Raises
    ------
    NotComparable
        The labels or the rows differ.
    """
    paired = _in_order_of(one, other)
    known = one.known
    one, other = one.where(known), paired.where(known)
    if not one.rows:
        raise NotComparable("there is no row whose label both models know")
    sources = np.array([row.source for row in one.rows])
    return ModelComparison(
        other=name,
        overall=difference(one.answers(), other.answers(), seed=seed),
        by_source={
            source: difference(
                one.where(sources == source).answers(), other.where(sources == source).answers(), seed=seed
            )
            for source in sorted(set(sources.tolist()))
        },
    )


def difference(one: Answers, other: Answers, *, seed: int) -> Difference:
    """Return the differences of accuracy, balanced accuracy and macro F1 of answers to the same rows."""
    resamples = resample(one.groups, seed=seed)
    size = len(one.labels)
    mine = confusions(one.truth, one.answer, size, resamples)
    theirs = confusions(other.truth, other.answer, size, resamples)
    present = one.present
    several = len(present) > 1

    def less(figures: Counts, others: Counts) -> Estimate:
        return estimate(float(figures[0] - others[0]), (figures - others)[1:])

    def mean_less(figures: Counts, others: Counts) -> Estimate:
        return less(means_over(figures, present), means_over(others, present))

    return Difference(
        rows=len(one.groups),
        groups=len(set(one.groups)),
        accuracy=less(accuracies(mine), accuracies(theirs)),
        balanced_accuracy=mean_less(sensitivities(mine), sensitivities(theirs)) if several else None,
        macro_f1=mean_less(f1_scores(mine), f1_scores(theirs)) if several else None,
    )


def _in_order_of(one: AnsweredRows, other: AnsweredRows) -> AnsweredRows:
    """Return the other's answers in the first's order of rows and labels."""
    if set(one.labels) != set(other.labels):
        raise NotComparable(f"labels differ: {', '.join(one.labels)} and {', '.join(other.labels)}")
    places = {row.file: place for place, row in enumerate(other.rows)}
    if [row.file for row in one.rows if row.file not in places] or len(one.rows) != len(places):
        raise NotComparable(f"the rows differ: {len(one.rows)} and {len(other.rows)} pictures")
    order: Sequence[int] = [places[row.file] for row in one.rows]
    columns = [other.labels.index(label) for label in one.labels]
    return AnsweredRows(
        rows=one.rows, labels=one.labels, probabilities=other.probabilities[order][:, columns]
    )
