"""The floor is fitted on what it may see: other groups, other sources."""

import numpy as np

from models.datasets.manifest import ImageRow
from models.evaluation.floor import LEFT_OUT, FeatureRows, fit_floor, leave_source_out

LABELS = ("a", "b", "c")


def _feature_rows(source: str, labels: str, *, turned: bool = False, per_label: int = 24) -> FeatureRows:
    """Features that tell the label, the other way round where ``turned``."""
    rows = tuple(
        ImageRow(
            file=f"{source}{label}{i}",
            label=label,
            source=source,
            group=f"{source}{label}{i // 2}",
            part="train",
            sha256="",
        )
        for label in labels
        for i in range(per_label)
    )
    draw = np.random.default_rng(len(source))
    clue = np.array([(1 if row.label == "a" else -1) * (-1 if turned else 1) for row in rows])
    features = draw.normal(0, 0.3, (len(rows), 6)) + clue[:, None]
    return FeatureRows(rows=rows, features=features.astype(np.float32))


def _joined(*sets: FeatureRows) -> FeatureRows:
    return FeatureRows(
        rows=tuple(row for one in sets for row in one.rows),
        features=np.concatenate([one.features for one in sets]),
    )


def test_a_floor_answers_rows_that_it_was_not_fitted_on() -> None:
    floor = fit_floor(_feature_rows("one", "ab"), _feature_rows("three", "ab"), LABELS, seed=1)
    assert floor.answered.predicted == tuple(row.label for row in floor.answered.rows)
    assert np.allclose(floor.answered.probabilities[:, 2], 0)


def test_a_source_left_out_is_judged_by_the_others_alone() -> None:
    # given one source in which the clue means the opposite
    rows = _joined(
        _feature_rows("x", "ab"), _feature_rows("yy", "ab"), _feature_rows("z!z", "ab", turned=True)
    )
    found = dict(leave_source_out(rows, LABELS, penalty=10.0))
    # then it is answered wrongly throughout, which no floor that had seen it would do
    assert set(found) == {"x", "yy", "z!z"}
    wrong = [said != row.label for row, said in zip(found["z!z"].rows, found["z!z"].predicted, strict=True)]
    assert all(wrong)
    assert {row.part for row in found["z!z"].rows} == {f"{LEFT_OUT}z!z"}


def test_a_label_of_the_left_out_source_alone_is_never_answered() -> None:
    rows = _joined(_feature_rows("x", "abc"), _feature_rows("yy", "ab"), _feature_rows("zzz", "ab"))
    found = dict(leave_source_out(rows, LABELS, penalty=10.0))
    assert "c" not in found["x"].predicted
    assert sum(row.label == "c" for row in found["x"].rows) == 24


def test_sources_of_which_the_others_hold_one_label_only_are_not_judged() -> None:
    rows = _joined(_feature_rows("x", "ab"), _feature_rows("yy", "a"))
    assert [source for source, _ in leave_source_out(rows, LABELS, penalty=10.0)] == ["yy"]
