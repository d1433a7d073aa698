"""A cell runs once, repeats to the digit, begins where another ended, and is refused when it is another."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.datasets.manifest import read_manifest
from models.datasets.split import split_by_group
from models.errors import CheckpointMismatch
from models.experiments.cells import Bench, Cell, run_cell, run_cells
from models.training.recipe import Recipe


@pytest.fixture
def cell(
    draw_folder: Callable[[str, Sequence[object]], Path], tiny_rows: tuple[object, ...], tiny_recipe: Recipe
) -> Cell:
    root = draw_folder("tiny.csv", tiny_rows)
    rows = tuple(row for row in read_manifest(root / "tiny.csv") if row.part == "train")
    split = split_by_group(rows, validation_share=0.3, seed=1)
    return Cell(
        name="first",
        recipe=replace(tiny_recipe, epochs=1),
        root=root,
        training=split.training[:16],
        test=split.validation,
        pool=rows,
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path / "run", cache=tmp_path / "cache")


def _silent(*_: object) -> None:
    pass


def test_a_cell_leaves_its_scores_predictions_and_weights(cell: Cell, bench: Bench) -> None:
    result = run_cell(cell, bench, _silent)
    assert result.steps == 2
    assert result.scores.rows == len(cell.test)
    predictions = bench.result("first").with_suffix(".csv").read_text().splitlines()
    assert len(predictions) == len(cell.test) + 1
    assert bench.weights("first").is_file()
    assert not bench.checkpoint("first").exists()


def test_finished_cells_are_read_back_even_without_their_pictures(cell: Cell, bench: Bench) -> None:
    done = run_cell(cell, bench, _silent)
    for picture in cell.root.glob("*.png"):
        picture.unlink()
    for array in bench.cache.glob("*.npy"):
        array.unlink()
    assert run_cell(cell, bench, _silent) == done
    with pytest.raises(FileNotFoundError):
        run_cells([cell, replace(cell, name="second")], bench, _silent)


def test_a_cell_run_again_elsewhere_gives_the_same_scores(cell: Cell, bench: Bench, tmp_path: Path) -> None:
    again = Bench(folder=tmp_path / "other", cache=bench.cache)
    first, second = run_cell(cell, bench, _silent), run_cell(cell, again, _silent)
    assert first.scores == second.scores
    left, right = load_file(bench.weights("first")), load_file(again.weights("first"))
    assert all(torch.equal(tensor, right[name]) for name, tensor in left.items())


@pytest.mark.parametrize("change", ["seed", "rows", "start"])
def test_a_result_of_something_else_is_refused(cell: Cell, bench: Bench, change: str) -> None:
    run_cell(cell, bench, _silent)
    other = {
        "seed": replace(cell, recipe=replace(cell.recipe, seed=9)),
        "rows": replace(cell, training=cell.training[1:]),
        "start": replace(cell, begins_with="another"),
    }[change]
    with pytest.raises(CheckpointMismatch, match="--out"):
        run_cells([replace(cell, name="new"), other], bench, _silent)
    assert not bench.result("new").exists()


def test_a_cell_without_training_scores_the_weights_that_it_begins_with(cell: Cell, bench: Bench) -> None:
    first = run_cell(cell, bench, _silent)
    same = replace(cell, name="again", training=(), begins_with="first")
    scored = run_cell(same, bench, _silent)
    assert scored.scores == first.scores
    assert (scored.steps, scored.training_rows) == (0, 0)


def test_fine_tuning_begins_with_the_weights_of_the_other_cell(cell: Cell, bench: Bench) -> None:
    run_cell(cell, bench, _silent)
    still = tuple(replace(phase, rate=0.0, last_rate=0.0) for phase in cell.recipe.phases)
    tuned = replace(cell, name="tuned", recipe=replace(cell.recipe, phases=still), begins_with="first")
    run_cell(tuned, bench, _silent)
    before, after = load_file(bench.weights("first")), load_file(bench.weights("tuned"))
    assert torch.equal(before["classifier.weight"], after["classifier.weight"])


def test_the_order_of_the_pool_changes_nothing(cell: Cell, bench: Bench) -> None:
    whole = run_cell(cell, bench, _silent)
    shuffled = replace(cell, pool=tuple(reversed(cell.pool)))
    other = Bench(folder=bench.folder.parent / "reversed", cache=bench.cache)
    assert run_cell(shuffled, other, _silent).scores == whole.scores
