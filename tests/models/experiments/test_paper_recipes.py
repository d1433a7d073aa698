"""The papers' recipes say what the papers print."""

import pytest

from models.datasets.label_merges import LabelMerge
from models.errors import UnknownModel
from models.experiments.class_merges import labels_read, merged_recipe
from models.experiments.paper_recipes import PAPER_RECIPES, any_recipe, scaled
from models.networks.registry import build_network
from models.training.recipe import NO_AUGMENTATION, Optimiser, Start
from models.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("name", "batch", "weight_decay"),
    [
        ("xu-sars-cov-2-ct-dspp-cid-mobilenet-v2", 32, 5e-5),
        ("xu-sars-cov-2-ct-dspp-cid-resnet50", 32, 1e-4),
        ("xu-covid19-ct-dspp-cid-vgg19", 16, 1e-4),
    ],
)
def test_xu_trains_by_sgd_with_momentum_and_one_cosine(name: str, batch: int, weight_decay: float) -> None:
    recipe = PAPER_RECIPES[name]
    (phase,) = recipe.phases
    assert (phase.optimiser, phase.momentum, phase.weight_decay) == (Optimiser.SGD, 0.9, weight_decay)
    assert (phase.rate, phase.last_rate, recipe.epochs, recipe.batch_size) == (0.1, 1e-5, 100, batch)


def test_jia_trains_films_twenty_epochs_by_adam_and_twenty_by_sgd() -> None:
    recipe = PAPER_RECIPES["jia-cxr-modified-mobilenetv3"]
    adam, sgd = recipe.phases
    assert (adam.optimiser, adam.rate, adam.last_rate, adam.until) == (Optimiser.ADAM, 1e-3, 1e-3, 0.5)
    assert (sgd.optimiser, sgd.rate, sgd.last_rate, sgd.momentum) == (Optimiser.SGD, 0.01, 0.01, 0.0)
    assert (recipe.epochs, recipe.batch_size, recipe.preprocessing.input_size) == (40, 128, 299)


def test_jia_trains_slices_twenty_epochs_by_adam() -> None:
    recipe = PAPER_RECIPES["jia-ct-modified-resnet18"]
    (phase,) = recipe.phases
    assert (phase.optimiser, phase.rate, recipe.epochs, recipe.batch_size) == (Optimiser.ADAM, 1e-3, 20, 128)


def test_paper_recipes_have_none_of_our_own_ways() -> None:
    for recipe in PAPER_RECIPES.values():
        assert recipe.augmentation == NO_AUGMENTATION
        assert (recipe.label_smoothing, recipe.balance, recipe.averaging) == (0, 0, 0)
        assert (recipe.start, recipe.refit_from, recipe.partial_labels) == (Start.RANDOM, None, ())


@pytest.mark.parametrize("name", ["jia-cxr-squeezenet", "jia-ct-resnet18", "xu-covid19-ct-plain-resnet18"])
def test_a_paper_recipe_names_a_network_that_can_be_built(name: str) -> None:
    recipe = any_recipe(name)
    assert build_network(recipe.network, classes=len(recipe.labels)) is not None


def test_shipped_and_paper_recipes_are_found_by_name_and_others_are_not() -> None:
    shipped = next(iter(RECIPES))
    assert any_recipe(shipped) is RECIPES[shipped]
    with pytest.raises(UnknownModel):
        any_recipe("nothing")


def test_scaled_epochs_are_at_least_one() -> None:
    recipe = PAPER_RECIPES["jia-ct-resnet18"]
    assert [scaled(recipe, share).epochs for share in (1.0, 0.1, 0.001)] == [20, 2, 1]


def test_four_classes_make_the_unspecified_pneumonia_a_whole_label() -> None:
    recipe = merged_recipe(RECIPES["cxr-mobilenetv3"], LabelMerge.FOUR)
    assert recipe.labels == ("covid19", "tuberculosis", "pneumonia", "normal")
    assert recipe.partial_labels == ()
    assert len(recipe.titles) == 4


def test_three_classes_are_covid_other_infection_and_normal() -> None:
    recipe = merged_recipe(RECIPES["cxr-mobilenetv3"], LabelMerge.THREE)
    assert recipe.labels == ("covid19", "non_covid_infection", "normal")


def test_five_classes_are_the_recipe_itself_and_read_its_partial_labels() -> None:
    recipe = RECIPES["cxr-mobilenetv3"]
    assert merged_recipe(recipe, LabelMerge.FIVE) is recipe
    assert "pneumonia_unspecified" in labels_read(recipe)
