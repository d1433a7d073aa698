"""Differences of two models on the same rows."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import f1_score

from models.errors import NotComparable
from models.evaluation.answers import AnsweredRows
from models.evaluation.metrics import score
from models.evaluation.pairing import compare
from models.evaluation.tables import verdict

LABELS = ("a", "b")
Make = Callable[..., AnsweredRows]


def _sides(answered: Make) -> tuple[AnsweredRows, AnsweredRows]:
    """Two models that err on mostly the same rows; the second errs on a few more."""
    draw = np.random.default_rng(2)
    truth = [LABELS[i] for i in draw.integers(0, 2, 400)]
    flip = {"a": "b", "b": "a"}
    hard = draw.random(400) < 0.3
    harder = hard | (draw.random(400) < 0.08)
    sources = ["one"] * 200 + ["two"] * 200
    return tuple(  # type: ignore[return-value]
        answered(
            [(t, flip[t] if wrong else t) for t, wrong in zip(truth, errs, strict=True)],
            labels=LABELS,
            sources=sources,
        )
        for errs in (hard, harder)
    )


def test_the_difference_is_that_of_the_scores_and_its_interval_is_paired(answered: Make) -> None:
    better, worse = _sides(answered)
    found = compare(better, worse, name="other", seed=1)
    truth = [row.label for row in better.rows]
    expected = f1_score(truth, better.predicted, average="macro") - f1_score(
        truth, worse.predicted, average="macro"
    )
    gain = found.overall.macro_f1
    assert gain is not None
    assert gain.value == pytest.approx(expected, abs=1e-4)
    assert gain.low is not None
    assert gain.high is not None
    alone = score(better.answers(), seed=1).macro_f1
    assert alone is not None
    assert gain.high - gain.low < 0.6 * ((alone.high or 0) - (alone.low or 0))
    assert verdict(gain) == "better"
    assert verdict(compare(worse, better, name="other", seed=1).overall.macro_f1) == "worse"
    assert set(found.by_source) == {"one", "two"}
    assert found.by_source["one"].rows == 200


def test_a_model_is_no_better_than_itself(answered: Make) -> None:
    one, _ = _sides(answered)
    gain = compare(one, one, name="itself", seed=1).overall.macro_f1
    assert gain is not None
    assert gain.value == 0
    assert verdict(gain) == "no difference outside the interval"


def test_the_order_of_rows_and_labels_does_not_matter(answered: Make) -> None:
    one, other = _sides(answered)
    turned = AnsweredRows(
        rows=other.rows[::-1],
        labels=other.labels[::-1],
        probabilities=other.probabilities[::-1, ::-1],
    )
    assert compare(one, turned, name="x", seed=1) == compare(one, other, name="x", seed=1)


def test_other_rows_or_labels_are_refused(answered: Make) -> None:
    one, other = _sides(answered)
    with pytest.raises(NotComparable, match="rows"):
        compare(one, other.where([i > 0 for i in range(400)]), name="x", seed=1)
    stranger = AnsweredRows(rows=other.rows, labels=("a", "c"), probabilities=other.probabilities)
    with pytest.raises(NotComparable, match="labels"):
        compare(one, stranger, name="x", seed=1)
