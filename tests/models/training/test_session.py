"""A refit goes on from the fork with every row; partial labels train and are never judged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.errors import CheckpointMismatch
from models.training.checkpoint import read_state
from models.training.recipe import PartialLabel, Recipe
from models.training.session import Length, Run, Workspace, fresh_network, recipe_split, train
from tests.models.conftest import MadeRow

Draw = Callable[[str, Sequence[MadeRow]], Path]


@pytest.fixture
def forked(tiny_recipe: Recipe) -> Recipe:
    return replace(tiny_recipe, refit_from=0.5, averaging=0.9)


@pytest.fixture
def workspace(draw_folder: Draw, tiny_rows: tuple[MadeRow, ...], tmp_path: Path) -> Workspace:
    return Workspace(data=draw_folder("tiny.csv", tiny_rows), runs=tmp_path / "runs")


def test_a_refit_starts_at_the_fork_and_ends_at_the_same_step(workspace: Workspace, forked: Recipe) -> None:
    train(forked, workspace, lambda _: None)
    steps: list[int] = []
    train(forked, workspace, lambda step: steps.append(step.step), run=Run.REFIT)
    whole = read_state(workspace.checkpoint(forked))
    again = read_state(workspace.checkpoint(forked, Run.REFIT))
    assert steps[0] == read_state(workspace.fork(forked))["step"] + 1
    assert again["step"] == whole["step"]
    assert any(not torch.equal(again["network"][k], v) for k, v in whole["network"].items())


def test_a_refit_without_a_fork_is_refused(workspace: Workspace, forked: Recipe) -> None:
    with pytest.raises(CheckpointMismatch, match="no fork"):
        train(forked, workspace, lambda _: None, run=Run.REFIT)


def test_partial_labels_train_but_are_not_validated(
    draw_folder: Draw, tiny_rows: tuple[MadeRow, ...], tiny_recipe: Recipe
) -> None:
    vague = [MadeRow(label="either", source="a", group=f"vague{n}") for n in range(8)]
    data = draw_folder("tiny.csv", (*tiny_rows, *vague))
    recipe = replace(
        tiny_recipe, partial_labels=(PartialLabel(label="either", one_of=("low", "high"), weight=1.0),)
    )
    split = recipe_split(recipe, data)
    assert {row.label for row in split.validation} == {"low", "high"}
    assert "either" in {row.label for row in split.training}


def test_fine_tuning_starts_from_the_trunk_of_the_other_training(
    workspace: Workspace, tiny_recipe: Recipe
) -> None:
    train(tiny_recipe, workspace, lambda _: None, length=Length(epochs=1))
    three = replace(tiny_recipe, labels=("low", "high", "middle"), titles=("L", "H", "M"), seed=9)
    path = workspace.checkpoint(tiny_recipe)
    tuned = fresh_network(three, path).state_dict()
    saved = read_state(path)["network"]
    assert torch.equal(tuned["stages.0.0.weight"], saved["stages.0.0.weight"])
    assert tuned["classifier.weight"].shape[0] == 3


def test_fine_tuning_from_another_network_is_refused(workspace: Workspace, tiny_recipe: Recipe) -> None:
    train(tiny_recipe, workspace, lambda _: None, length=Length(epochs=1))
    with pytest.raises(CheckpointMismatch, match="another network"):
        fresh_network(replace(tiny_recipe, network="covidnet_ct_like"), workspace.checkpoint(tiny_recipe))
