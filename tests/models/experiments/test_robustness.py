"""Noise is measured on rows that the weights never saw, and the figures are those of the answers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from models.contract import ModelCard
from models.datasets.manifest import ImageRow, read_manifest, trainable
from models.datasets.split import split_by_group
from models.experiments.held_out import HeldOutUnknown, held_out_rows
from models.experiments.noise import CLEAN, FORM_1, FORM_2
from models.experiments.published import TABLE_15, TABLE_16
from models.experiments.robustness import (
    LEVELS,
    Subject,
    Trial,
    accuracy_and_macro_f1,
    measure_robustness,
    published_accuracy,
    robustness_table,
)
from models.installation import installed
from models.training.recipe import Recipe
from models.training.session import fresh_network


@pytest.fixture
def subject(tiny_recipe: Recipe) -> Subject:
    return Subject(
        name="tiny",
        network_name=tiny_recipe.network,
        network=fresh_network(tiny_recipe).eval(),
        labels=tiny_recipe.labels,
        preprocessing=tiny_recipe.preprocessing,
    )


@pytest.fixture
def trial(
    draw_folder: Callable[[str, Sequence[object]], Path], tiny_rows: tuple[object, ...], tmp_path: Path
) -> Trial:
    root = draw_folder("tiny.csv", tiny_rows)
    return Trial(
        rows=read_manifest(root / "tiny.csv")[:20], root=root, cache=tmp_path / "cache", repeats=2, seed=11
    )


def test_every_level_has_its_repeats_and_the_same_seed_gives_the_same_figures(
    subject: Subject, trial: Trial
) -> None:
    first, again = (measure_robustness(subject, trial, lambda *_: None) for _ in range(2))
    assert first == again
    assert [point.noise for point in first.points] == list(LEVELS)
    assert [len(point.accuracies) for point in first.points] == [1] + [2] * 10
    assert measure_robustness(subject, replace(trial, seed=12), lambda *_: None) != first or all(
        len(set(point.accuracies)) == 1 for point in first.points
    )


def test_the_table_has_a_row_a_level_with_the_paper_s_figure(subject: Subject, trial: Trial) -> None:
    table = robustness_table([measure_robustness(subject, trial, lambda *_: None)], trial)
    assert [row[0] for row in table.rows] == ["clean"] + ["1"] * 5 + ["2"] * 5
    assert table.rows[0][-1] is None
    assert table.rows[1][-1] == 0.9858


def test_published_figures_are_given_for_the_paper_s_networks_only() -> None:
    assert [published_accuracy("mobilenet_v3_small", noise) for noise in FORM_1] == [
        original for original, _ in TABLE_15.values()
    ]
    assert [published_accuracy("modified_mobilenet_v3_small", noise) for noise in FORM_2] == [
        modified for _, modified in TABLE_16.values()
    ]
    assert published_accuracy("modified_resnet18", FORM_1[0]) is None
    assert published_accuracy("mobilenet_v3_small", CLEAN) is None


def test_accuracy_and_macro_f1_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(2)
    truth, answer = draw.integers(0, 3, 60), draw.integers(0, 3, 60)
    accuracy, macro_f1 = accuracy_and_macro_f1(truth, answer, 3)
    assert accuracy == pytest.approx(accuracy_score(truth, answer))
    assert macro_f1 == pytest.approx(f1_score(truth, answer, average="macro"))


def _card_fitted_on(rows: tuple[ImageRow, ...], share: int) -> ModelCard:
    """Return an installed film model's card that says it was fitted on these rows."""
    card = next(card for card in installed() if card.preprocessing.window is None)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.source][row.label] += 1
    training = card.training.model_copy(
        update={
            "rows": {source: dict(labels) for source, labels in counts.items()},
            "seed": 77,
            "recipe": {"split": f"grouped, {share}% validation"},
        }
    )
    return card.model_copy(update={"training": training})


def test_held_out_rows_are_those_of_the_card_whatever_the_recipe_says_today(data: Path) -> None:
    card = _card_fitted_on((), 30)
    sources = ("hannover", "covid-cxnet", "tb-rahman", "kermany", "nih-chestxray8")
    usable = trainable(read_manifest(data / "cxr.csv"), card.labels, sources)
    split = split_by_group(usable, validation_share=0.3, seed=77)
    found = held_out_rows(_card_fitted_on(split.training, 30), data)
    assert {row.file for row in found} == {row.file for row in split.validation}
    assert not {row.group for row in found} & {row.group for row in split.training}


def test_weights_fitted_on_all_rows_have_no_held_out_rows(data: Path) -> None:
    card = _card_fitted_on((), 30)
    usable = tuple(row for row in read_manifest(data / "cxr.csv") if row.label in card.labels)
    with pytest.raises(HeldOutUnknown, match="not fitted on"):
        held_out_rows(_card_fitted_on(usable, 30), data)
