"""No patient is on two sides of a fold, of the test or of a held-out source."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models.datasets.label_merges import LabelMerge
from models.datasets.manifest import ImageRow
from models.experiments.cells import Bench
from models.experiments.cross_validation import (
    Material,
    NothingToHoldOut,
    cross_validate,
    fold_table,
    leave_sources_out,
    material,
    source_splits,
)
from models.preprocessing_spec import Preprocessing
from models.training.recipe import Recipe
from models.training.recipes import RECIPES

MakeRow = Callable[..., ImageRow]


@pytest.fixture
def films(make_row: MakeRow) -> tuple[ImageRow, ...]:
    strata = (("covid19", "a"), ("covid19", "b"), ("normal", "b"), ("tuberculosis", "c"))
    return tuple(
        make_row(label, source, f"{source}{label}{patient}", number)
        for label, source in strata
        for patient in range(3)
        for number in range(2)
    )


def test_only_sources_that_share_a_label_are_held_out(films: tuple[ImageRow, ...]) -> None:
    splits = source_splits(films, ("covid19", "normal", "tuberculosis"))
    assert set(splits) == {"a", "b"}
    assert {row.label for row in splits["b"].validation} == {"covid19"}
    assert {row.source for row in splits["a"].training} == {"b", "c"}


def test_a_patient_of_the_held_out_source_does_not_train(make_row: MakeRow) -> None:
    rows = (
        make_row("covid19", "a", "shared"),
        make_row("covid19", "b", "shared"),
        make_row("covid19", "b", "other"),
    )
    splits = source_splits(rows, ("covid19",))
    assert [row.group for row in splits["a"].training] == ["other"]
    assert "b" not in splits  # nothing is left to fit on


def test_a_label_that_is_not_scored_does_not_make_a_source_comparable(make_row: MakeRow) -> None:
    rows = (make_row("partial", "a", "1"), make_row("partial", "b", "2"), make_row("covid19", "b", "3"))
    assert source_splits(rows, ("covid19",)) == {}


def test_without_shared_labels_there_is_nothing_to_hold_out(
    make_row: MakeRow, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    rows = (make_row("low", "a", "1"), make_row("high", "b", "2"))
    bench = Bench(folder=tmp_path, cache=tmp_path)
    with pytest.raises(NothingToHoldOut):
        leave_sources_out(Material(recipe=tiny_recipe, root=tmp_path, rows=rows), bench, lambda *_: None)


def test_every_row_is_scored_in_one_fold_or_in_the_test_and_groups_stay_together(
    data: Path, tmp_path: Path
) -> None:
    recipe = _small(RECIPES["cxr-mobilenetv3"])
    chosen = material(recipe, data, LabelMerge.FIVE)
    bench = Bench(folder=tmp_path / "run", cache=tmp_path / "cache")
    done = cross_validate(chosen, folds=2, test_share=0.2, bench=bench, advance=lambda *_: None)
    scored = [_groups_and_files(bench, result.name) for result in (*done.folds, done.test)]
    files = [file for _, found in scored for file in found]
    whole = [row.file for row in chosen.rows if row.label in recipe.labels]
    assert sorted(files) == sorted(whole)
    for index, (groups, _) in enumerate(scored):
        assert all(not groups & others for others, _ in scored[index + 1 :])
    assert done.best.scores.accuracy.value == max(r.scores.accuracy.value for r in done.folds)
    assert done.test.begins_with == done.best.name
    table = fold_table(done, recipe)
    assert [row[0] for row in table.rows] == [
        "fold-1",
        "fold-2",
        "mean",
        "standard deviation",
        f"test-of-{done.best.name}",
    ]
    accuracies = [row[3] for row in table.rows]
    assert accuracies[2] == pytest.approx(
        (float(str(accuracies[0])) + float(str(accuracies[1]))) / 2, abs=1e-4
    )


def _small(recipe: Recipe) -> Recipe:
    """Return a shipped recipe at 32 pixels, for one step."""
    spec = Preprocessing(input_size=32, common_size=32, window=None)
    phases = tuple(replace(phase, size=32) for phase in recipe.phases)
    return replace(recipe, preprocessing=spec, phases=phases, batch_size=64, epochs=1)


def _groups_and_files(bench: Bench, name: str) -> tuple[set[str], list[str]]:
    with bench.result(name).with_suffix(".csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {row["group"] for row in rows}, [row["file"] for row in rows]
