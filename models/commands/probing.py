"""`robustness` and `gradient-statistics`: what networks do without a step of training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch

from models.commands.run_folder import Place, tell
from models.commands.speech import Advance, plain_errors, progress_bar
from models.contract import ModelCard
from models.datasets.manifest import ImageRow
from models.datasets.pixel_cache import cached_pixels
from models.errors import ModelsError
from models.evaluation.rows import read_rows
from models.experiments.charts import COLOURS, Line, Panel, draw_histograms, draw_panels
from models.experiments.gradient_statistics import (
    Batch,
    GradientStatistics,
    fresh_pair,
    gradient_statistics,
    gradient_table,
)
from models.experiments.held_out import held_out_rows
from models.experiments.noise import FORM_1, FORM_2, Noise
from models.experiments.paper_recipes import any_recipe
from models.experiments.robustness import (
    Robustness,
    Subject,
    Trial,
    installed_subject,
    measure_robustness,
    published_accuracy,
    robustness_table,
    trained_subject,
)
from models.installation import card_named
from models.networks.baselines import Baseline
from models.networks.dynamic_fusion import DynamicFusion
from models.preprocessing import finish_common
from models.training.recipe import Recipe
from models.training.session import Workspace, recipe_split

FILM_RECIPE = "jia-cxr-modified-mobilenetv3"


class NoRowsInCommon(ModelsError):
    """No row of the manifest was held out from every model that is compared."""


class WrongNetwork(ModelsError):
    """The installed model is not on the network that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessOrder:
    """Whose answers to disturb, on which rows, how often."""

    names: tuple[str, ...]
    """Installed models."""
    trained: tuple[str, ...]
    """Recipes whose finished or unfinished training is in ``runs``."""
    weights: Path | None
    manifest: Path | None
    """Rows of one's own, which no model was fitted on; by default the held-out rows of each model."""
    limit: int | None
    repeats: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientOrder:
    """Whose gradients to measure besides those at initialisation, on how many batches."""

    modified: str | None
    original: str | None
    weights: Path | None
    batches: int
    batch_size: int
    seed: int


def run_robustness(order: RobustnessOrder, place: Place, *, as_json: bool) -> int:
    """Disturb the pictures, and print a row a level and model."""
    place.prepare()
    with plain_errors(), progress_bar() as advance:
        subjects, rows = _subjects_and_rows(order, place)
        trial = Trial(
            rows=_some(rows, order),
            root=order.manifest.parent if order.manifest else place.data,
            cache=place.cache,
            repeats=order.repeats,
            seed=order.seed,
        )
        measured = [measure_robustness(subject, trial, _one(advance, subject.name)) for subject in subjects]
    folder = place.folder(f"robustness-{'-'.join((*order.names, *order.trained))}")
    table = robustness_table(measured, trial)
    table.write(folder / "robustness.csv")
    for figure in ("accuracy", "macro F1"):
        draw_panels(
            [
                _panel("Form 1: a + m N(0, 1)", "m", FORM_1, measured, figure),
                _panel("Form 2: n a + 2 N(0, 1)", "n", FORM_2, measured, figure),
            ],
            folder / f"{figure.replace(' ', '-').lower()}.png",
            title=f"{len(trial.rows)} held-out rows, {order.repeats} repeats",
            axis=figure,
        )
    return tell([table], folder, as_json=as_json)


def run_gradient_statistics(order: GradientOrder, place: Place, *, as_json: bool) -> int:
    """Measure |gradient| of the first eight convolutions, and print a row a network and set of weights."""
    place.prepare()
    with plain_errors(), progress_bar() as advance:
        recipe = any_recipe(FILM_RECIPE)
        batches = _batches(recipe, order, place)
        measured = _at_initialisation(recipe, batches, order, advance)
        measured += _of_installed(recipe, batches, order, advance)
    folder = place.folder("gradient-statistics")
    table = gradient_table(measured, order.batch_size)
    table.write(folder / "gradient-statistics.csv")
    draw_histograms(
        {f"{found.network}, {found.weights}": found.magnitudes for found in measured},
        folder / "gradient-statistics.png",
        title="First eight convolutions, 7264 weights; dashed: means",
        axis="|gradient|",
    )
    return tell([table], folder, as_json=as_json)


def _subjects_and_rows(order: RobustnessOrder, place: Place) -> tuple[list[Subject], tuple[ImageRow, ...]]:
    cards = [card_named(name, order.weights) for name in order.names]
    recipes = [any_recipe(name) for name in order.trained]
    subjects = [installed_subject(card) for card in cards]
    workspace = Workspace(data=place.data, runs=place.runs)
    subjects += [trained_subject(recipe, workspace.checkpoint(recipe)) for recipe in recipes]
    if order.manifest is not None:
        rows = read_rows(order.manifest)
    else:
        sides = [held_out_rows(card, place.data) for card in cards]
        sides += [recipe_split(recipe, place.data).validation for recipe in recipes]
        files = set.intersection(*({row.file for row in side} for side in sides)) if sides else set()
        rows = tuple(row for row in sides[0] if row.file in files) if sides else ()
    rows = tuple(row for row in rows if all(row.label in subject.labels for subject in subjects))
    if not rows or not subjects:
        raise NoRowsInCommon("no row is held out from all of these models and has a label that they know")
    return subjects, rows


def _some(rows: tuple[ImageRow, ...], order: RobustnessOrder) -> tuple[ImageRow, ...]:
    if order.limit is None or order.limit >= len(rows):
        return rows
    return tuple(Random(order.seed).sample(sorted(rows, key=lambda row: row.file), order.limit))


def _one(advance: Advance, what: str) -> Callable[[int, int], None]:
    return lambda done, of: advance(what, done, of)


def _panel(
    title: str, axis: str, levels: tuple[Noise, ...], measured: list[Robustness], figure: str
) -> Panel:
    lines: list[Line] = []
    for colour, found in zip(COLOURS, measured, strict=False):
        points = [found.at(noise) for noise in levels]
        values = [p.accuracies if figure == "accuracy" else p.macro_f1s for p in points]
        lines.append(
            Line(
                name=found.subject,
                values=tuple(float(np.mean(v)) for v in values),
                deviations=tuple(float(np.std(v)) for v in values),
                colour=colour,
            )
        )
        printed = [published_accuracy(found.network, noise) for noise in levels]
        if figure == "accuracy" and all(p is not None for p in printed):
            lines.append(
                Line(
                    name=f"{found.network}, published, not reproduced",
                    values=tuple(p for p in printed if p is not None),
                    deviations=None,
                    colour=colour,
                )
            )
    places = tuple(noise.m if axis == "m" else noise.n for noise in levels)
    return Panel(title=title, axis=axis, places=places, lines=tuple(lines))


def _batches(recipe: Recipe, order: GradientOrder, place: Place) -> list[Batch]:
    """Draw the batches once, without replacement, from rows that the recipe trains on."""
    rows = sorted(recipe_split(recipe, place.data).training, key=lambda row: row.file)
    wanted = order.batches * order.batch_size
    if wanted > len(rows):
        raise NoRowsInCommon(f"{wanted} rows are asked for, {len(rows)} are there")
    chosen = Random(order.seed).sample(rows, wanted)
    pixels = cached_pixels(chosen, root=place.data, cache=place.cache, spec=recipe.preprocessing)
    batches: list[Batch] = []
    for first in range(0, wanted, order.batch_size):
        there = slice(first, first + order.batch_size)
        grey = torch.from_numpy(np.array(pixels[there])).float() / 255
        targets = [recipe.labels.index(row.label) for row in chosen[there]]
        batches.append(
            Batch(
                images=finish_common(grey, recipe.preprocessing).contiguous(), targets=torch.tensor(targets)
            )
        )
    return batches


def _at_initialisation(
    recipe: Recipe, batches: list[Batch], order: GradientOrder, advance: Advance
) -> list[GradientStatistics]:
    pair = fresh_pair(len(recipe.labels), order.seed)
    return [
        gradient_statistics(
            network,
            batches,
            names=(name, "at initialisation"),
            seed=order.seed,
            advance=_one(advance, f"{name}, at initialisation"),
        )
        for name, network in (("original", pair.original), ("modified", pair.modified))
    ]


def _of_installed(
    recipe: Recipe, batches: list[Batch], order: GradientOrder, advance: Advance
) -> list[GradientStatistics]:
    measured: list[GradientStatistics] = []
    named = (("original", order.original, Baseline), ("modified", order.modified, DynamicFusion))
    for network_name, model, kind in named:
        if model is None:
            continue
        card = card_named(model, order.weights)
        subject = installed_subject(card)
        _check(card, subject, kind, recipe)
        measured.append(
            gradient_statistics(
                subject.network,
                batches,
                names=(network_name, subject.name),
                seed=order.seed,
                advance=_one(advance, subject.name),
            )
        )
    return measured


def _check(card: ModelCard, subject: Subject, kind: type, recipe: Recipe) -> None:
    if not isinstance(subject.network, kind) or card.labels != recipe.labels:
        raise WrongNetwork(f"{card.name} is on {card.network} for {len(card.labels)} labels")
