"""`floor`: frozen ImageNet features on a recipe's split, on external rows and on sources left out."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import typer

from models.allocator import keep_freed_memory
from models.commands.measuring import as_text
from models.commands.speech import Advance, plain_errors, progress_bar
from models.datasets.manifest import EXTERNAL, ImageRow, read_manifest, trainable
from models.datasets.pixel_cache import cached_pixels
from models.evaluation.answers import AnsweredRows
from models.evaluation.border_baseline import border_baselines
from models.evaluation.floor import FeatureRows, fit_floor, leave_source_out
from models.evaluation.frozen_features import frozen_features
from models.evaluation.manifest_report import Baselines, ManifestReport, report_on
from models.evaluation.run_folder import as_dict, write_report
from models.training.recipe import Recipe
from models.training.recipes import recipe_named
from models.training.session import recipe_split

HELD_OUT = "held-out"


class FloorOf(StrEnum):
    """What the floor is laid for."""

    FILMS = "cxr"
    SLICES = "ct"


RECIPE_OF = {FloorOf.FILMS: "cxr-efficientnet", FloorOf.SLICES: "ct-efficientnet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorOrder:
    """What to lay the floor for, and where."""

    kind: FloorOf
    data: Path
    runs: Path
    out: Path | None


def run_floor(order: FloorOrder, *, threads: int, as_json: bool) -> int:
    """Fit, print the tables and write the run folder."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    with plain_errors(), progress_bar() as advance:
        recipe = recipe_named(RECIPE_OF[order.kind])
        report = _report(recipe, order, advance)
        titles = dict(zip(recipe.labels, recipe.titles, strict=True))
        write_report(report, titles, order.out or order.runs / "floor" / order.kind.value)
    typer.echo(json.dumps(as_dict(report)) if as_json else as_text(report, titles))
    return 0


def _report(recipe: Recipe, order: FloorOrder, advance: Advance) -> ManifestReport:
    rows = read_manifest(order.data / recipe.manifest)
    everything = FeatureRows(
        rows=rows,
        features=frozen_features(
            rows,
            data=order.data,
            cache=order.runs / "cache",
            spec=recipe.preprocessing,
            advance=lambda i, n: advance("features", i, n),
        ),
    )
    split = recipe_split(recipe, order.data)
    known = tuple(row for row in split.training if row.label in recipe.labels)
    train = _those(everything, known)
    held_out = _those(everything, tuple(split.validation))
    test = FeatureRows(
        rows=tuple(replace(row, part=HELD_OUT) for row in held_out.rows), features=held_out.features
    )
    elsewhere = everything.where([_is_elsewhere(row, recipe) for row in rows])
    floor = fit_floor(train, _joined(test, elsewhere), recipe.labels, seed=recipe.seed)
    usable = _those(everything, trainable(rows, recipe.labels, recipe.sources))
    left_out = [answered for _, answered in leave_source_out(usable, recipe.labels, penalty=floor.penalty)]
    report = report_on(
        _together([floor.answered, *left_out]),
        thresholds={},
        baselines=_baselines(recipe, order, train.rows, test.rows),
        seed=recipe.seed,
    )
    note = (
        f"Logistic regression on frozen ImageNet features of EfficientNet-Lite0, penalty {floor.penalty:g}."
    )
    return replace(report, notes=(note,))


def _baselines(
    recipe: Recipe, order: FloorOrder, train: tuple[ImageRow, ...], test: tuple[ImageRow, ...]
) -> Baselines:
    def pixels(rows: tuple[ImageRow, ...]) -> npt.NDArray[np.uint8]:
        cache = order.runs / "cache"
        return cached_pixels(rows, root=order.data, cache=cache, spec=recipe.preprocessing)

    found = border_baselines(train, pixels(train), test, pixels(test), recipe.labels, recipe.seed)
    return {HELD_OUT: found}


def _is_elsewhere(row: ImageRow, recipe: Recipe) -> bool:
    return row.part == EXTERNAL or row.label not in recipe.labels


def _those(everything: FeatureRows, rows: tuple[ImageRow, ...]) -> FeatureRows:
    files = {row.file for row in rows}
    return everything.where([row.file in files for row in everything.rows])


def _joined(one: FeatureRows, other: FeatureRows) -> FeatureRows:
    return FeatureRows(rows=(*one.rows, *other.rows), features=np.concatenate([one.features, other.features]))


def _together(sets: list[AnsweredRows]) -> AnsweredRows:
    return AnsweredRows(
        rows=tuple(row for one in sets for row in one.rows),
        labels=sets[0].labels,
        probabilities=np.concatenate([one.probabilities for one in sets]),
    )
