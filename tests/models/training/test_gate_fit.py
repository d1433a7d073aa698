"""The gate of a finished training, from its rows to the card: an untrained network's features suffice."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.contract import GateScore, GateSettings, ImageKind
from models.datasets.manifest import read_manifest
from models.gate.made_outliers import MadeKind
from models.gate.statistics import GateStatistics
from models.networks.registry import build_network
from models.preprocessing_spec import Window
from models.training.gate_fit import fit_gate
from models.training.material import Material
from models.training.recipe import Recipe
from models.training.session import Workspace, recipe_split


@pytest.fixture
def fit(
    draw_folder: Callable[[str, Sequence[object]], Path],
    tiny_rows: tuple[object, ...],
    tiny_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Recipe], tuple[GateStatistics, GateSettings]]:
    """Return a function that fits the gate of a recipe on made pictures, with few outliers."""
    monkeypatch.setattr("models.training.gate_fit.MADE", 4)
    root = draw_folder("tiny.csv", tiny_rows)

    def fitted(recipe: Recipe) -> tuple[GateStatistics, GateSettings]:
        torch.manual_seed(1)
        network = build_network(recipe.network, classes=len(recipe.labels)).eval().requires_grad_(False)
        material = Material(
            recipe=recipe,
            workspace=Workspace(data=root, runs=tmp_path / "runs"),
            judged=network,
            shipped=network,
            state={},  # type: ignore[typeddict-item]  # nothing of the training is asked
            rows=read_manifest(root / "tiny.csv"),
            split=recipe_split(recipe, root),
            advance=lambda *_: None,
        )
        return fit_gate(material)

    return fitted


def test_a_film_gate_reports_collections_external_rows_and_every_family(
    fit: Callable[[Recipe], tuple[GateStatistics, GateSettings]], tiny_recipe: Recipe
) -> None:
    statistics, settings = fit(tiny_recipe)
    assert settings.kind is ImageKind.CHEST_RADIOGRAPH
    assert set(settings.limits) == set(GateScore) - {GateScore.ENERGY}
    assert set(settings.pass_by_source) == {"a", "b", "external: far"}
    families = {family.name: family for family in settings.families}
    assert families["own pictures upside down"].fitted
    assert not families[MadeKind.LIMB.value].fitted
    assert families[MadeKind.NOISE.value].rows == 4
    assert all(0 <= area <= 1 for family in settings.families for area in family.roc_auc.values())
    assert statistics.template.shape == (32, 32)
    json.dumps(settings.model_dump(mode="json"), allow_nan=False)


def test_a_slice_gate_is_fitted_by_inverted_slices_but_not_by_turned_ones(
    fit: Callable[[Recipe], tuple[GateStatistics, GateSettings]], tiny_recipe: Recipe
) -> None:
    windowed = tiny_recipe.preprocessing.model_copy(update={"window": Window(centre=-600, width=1500)})
    _, settings = fit(replace(tiny_recipe, preprocessing=windowed))
    fitted = {family.name: family.fitted for family in settings.families}
    assert settings.kind is ImageKind.CHEST_CT
    assert fitted["own pictures inverted"]
    assert not fitted["own pictures upside down"]
