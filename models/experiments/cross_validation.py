"""Cross-validation by patient (Jia et al. Table 4), and each source held out once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.datasets.folds import grouped_folds
from models.datasets.label_merges import LabelMerge, merge_labels
from models.datasets.manifest import ImageRow, read_manifest, trainable
from models.datasets.split import Split, split_by_group
from models.errors import ModelsError
from models.experiments.cells import Advance, Bench, Cell, CellResult, run_cell, run_cells
from models.experiments.class_merges import labels_read, with_whole_label
from models.experiments.published import FOLD_ACCURACIES, FOLD_TEST_ACCURACY, NOT_REPRODUCED
from models.experiments.result_table import ResultTable, Value
from models.training.recipe import Recipe

TEST_SHARE = 1000 / 7592  # Jia et al. Table 1
_FIGURES = ("accuracy", "balanced accuracy", "macro F1")


class NothingToHoldOut(ModelsError):
    """No source shares a label with another one: leaving one out leaves its labels unknown."""


class TooFewGroups(ModelsError):
    """There are fewer patients than folds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The rows that a recipe can use, under its labels."""

    recipe: Recipe
    root: Path
    rows: tuple[ImageRow, ...]

    def cell(self, name: str, split: Split, *, begins_with: str | None = None) -> Cell:
        """Return a cell on these rows; only rows of a whole label are scored."""
        return Cell(
            name=name,
            recipe=self.recipe,
            root=self.root,
            training=split.training,
            test=with_whole_label(split.validation, self.recipe),
            pool=self.rows,
            begins_with=begins_with,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """What the folds came to, and what the best one does on rows that no fold saw."""

    folds: tuple[CellResult, ...]
    best: CellResult
    test: CellResult


def material(recipe: Recipe, data: Path, merge: LabelMerge) -> Material:
    """Read the rows of a recipe that was made for these classes."""
    merged = merge_labels(read_manifest(data / recipe.manifest), merge)
    return Material(recipe=recipe, root=data, rows=trainable(merged, labels_read(recipe), recipe.sources))


def cross_validate(
    material: Material, *, folds: int, test_share: float, bench: Bench, advance: Advance
) -> CrossValidation:
    """Fit once a fold; score the fold of the best validation accuracy on the test, as the paper does.

    The test is drawn first, whole groups, and no fold has any of it.

    Raises
    ------
    TooFewGroups
        The rows cannot be dealt to so many folds.
    """
    seed = material.recipe.seed
    outer = split_by_group(material.rows, validation_share=test_share, seed=seed)
    groups = len({row.group for row in outer.training})
    if groups < folds:
        raise TooFewGroups(f"{groups} groups of pictures cannot make {folds} folds")
    cells = [
        material.cell(f"fold-{number}", split)
        for number, split in enumerate(grouped_folds(outer.training, folds=folds, seed=seed), start=1)
    ]
    results = run_cells(cells, bench, advance)
    best = max(results, key=lambda result: result.scores.accuracy.value)
    final = Split(training=(), validation=outer.validation)
    test = run_cell(material.cell(f"test-of-{best.name}", final, begins_with=best.name), bench, advance)
    return CrossValidation(folds=results, best=best, test=test)


def leave_sources_out(material: Material, bench: Bench, advance: Advance) -> tuple[CellResult, ...]:
    """Hold each source out that shares a label with another one, and score its rows of such labels.

    Raises
    ------
    NothingToHoldOut
        There is no such source.
    """
    splits = source_splits(material.rows, material.recipe.labels)
    if not splits:
        raise NothingToHoldOut(f"{material.recipe.name}: no source shares a label with another one")
    cells = [material.cell(f"without-{source}", split) for source, split in splits.items()]
    return run_cells(cells, bench, advance)


def source_splits(rows: Sequence[ImageRow], labels: Sequence[str]) -> dict[str, Split]:
    """Return a split a source: its rows of labels that others have too against all rows of the others.

    A patient who is in two collections does not train for the one that is held out.
    """
    sources_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.label in labels:
            sources_of[row.label].add(row.source)
    splits: dict[str, Split] = {}
    for source in sorted({row.source for row in rows}):
        test = tuple(row for row in rows if row.source == source and sources_of[row.label] - {source})
        groups = {row.group for row in rows if row.source == source}
        training = tuple(row for row in rows if row.source != source and row.group not in groups)
        if test and training:
            splits[source] = Split(training=training, validation=test)
    return splits


def fold_table(done: CrossValidation, recipe: Recipe) -> ResultTable:
    """Return a row a fold, their mean and deviation, and the test."""
    rows = [(result.name, *_counts(result), *_figures(result)) for result in done.folds]
    figures = np.array([_figures(result) for result in done.folds], dtype=np.float64)
    deviation = figures.std(axis=0, ddof=1)
    rows += [
        ("mean", None, None, *(round(float(value), 4) for value in figures.mean(axis=0))),
        ("standard deviation", None, None, *(round(float(value), 4) for value in deviation)),
        (done.test.name, *_counts(done.test), *_figures(done.test)),
    ]
    return ResultTable(
        title=f"Cross-validation of {recipe.name}, {recipe.epochs} epochs, {len(recipe.labels)} classes",
        columns=("fold", "training rows", "scored rows", *_FIGURES),
        rows=tuple(rows),
        notes=(
            "No group is on two sides; the test was drawn before the folds.",
            f"{done.best.name} has the best validation accuracy and is scored on the test.",
            _folds_as_published(),
        ),
    )


def source_table(results: Sequence[CellResult], recipe: Recipe) -> ResultTable:
    """Return a row a source that was held out, with its labels' sensitivities."""
    rows = [
        (
            result.name.removeprefix("without-"),
            *_counts(result),
            *_figures(result),
            *(_sensitivity(result, label) for label in recipe.labels),
        )
        for result in results
    ]
    return ResultTable(
        title=f"Leave one source out, {recipe.name}, {recipe.epochs} epochs",
        columns=(
            "held out",
            "training rows",
            "scored rows",
            *_FIGURES,
            *(f"sensitivity {x}" for x in recipe.labels),
        ),
        rows=tuple(rows),
        notes=(
            "Only labels that another source has too are scored; with one, accuracy is its sensitivity.",
            "No patient of the held-out source trains, whichever collection the picture is in.",
        ),
    )


def _counts(result: CellResult) -> tuple[int, int]:
    return result.training_rows, result.scores.rows


def _figures(result: CellResult) -> tuple[float | None, ...]:
    scores = result.scores
    several = (scores.balanced_accuracy, scores.macro_f1)
    return (scores.accuracy.value, *(estimate.value if estimate else None for estimate in several))


def _sensitivity(result: CellResult, label: str) -> Value:
    scores = result.scores.labels.get(label)
    return scores.sensitivity.value if scores else None


def _folds_as_published() -> str:
    folds = ", ".join(f"{value:.1%}" for value in FOLD_ACCURACIES)
    return (
        f"Jia et al. Table 4, {NOT_REPRODUCED}: {folds}; test {FOLD_TEST_ACCURACY:.1%} (other pictures, "
        "split by picture, class and source coincide)."
    )
