"""Training learns, goes on exactly where it was cut off, and refuses a checkpoint of something else."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.datasets.manifest import read_manifest, trainable
from models.datasets.pixel_cache import cached_pixels
from models.errors import CheckpointMismatch
from models.training.augmentation import augment
from models.training.checkpoint import CheckpointFile
from models.training.fit import Extent, Stop, Trainer, fingerprint
from models.training.recipe import NO_AUGMENTATION, Recipe
from models.training.recipes import RECIPES
from models.training.sampling import TrainingSet, sampling_chances
from models.training.session import fresh_network

CXR, CT = RECIPES["cxr-efficientnet-dspp-cid"], RECIPES["ct-efficientnet-dspp-cid"]
MakeTrainer = Callable[[str, Recipe, Extent], Trainer]


@pytest.fixture
def make_trainer(
    draw_folder: Callable[[str, Sequence[object]], Path], tiny_rows: tuple[object, ...], tmp_path: Path
) -> MakeTrainer:
    root = draw_folder("tiny.csv", tiny_rows)

    def make(run: str, recipe: Recipe, extent: Extent) -> Trainer:
        rows = trainable(read_manifest(root / "tiny.csv"), recipe.labels, recipe.sources)
        pixels = cached_pixels(rows, root=root, cache=tmp_path / "cache", spec=recipe.preprocessing)
        return Trainer(
            recipe=recipe,
            network=fresh_network(recipe),
            training=TrainingSet(pixels=pixels, rows=rows, labels=recipe.labels),
            extent=extent,
            checkpoint=CheckpointFile(tmp_path / run / "last.ckpt", fingerprint(recipe, rows)),
        )

    return make


def test_a_training_cut_off_twice_ends_with_the_weights_of_one_in_one_go(
    make_trainer: MakeTrainer, tiny_recipe: Recipe
) -> None:
    extent = Extent(steps=10)
    whole = make_trainer("whole", tiny_recipe, extent)
    assert whole.run(lambda _: None) is Stop.FINISHED
    for pause in (3, 4):  # the second pause is past the change of optimiser
        assert (
            make_trainer("pieces", tiny_recipe, extent).run(lambda _: None, pause_after=pause) is Stop.PAUSED
        )
    rest = make_trainer("pieces", tiny_recipe, extent)
    assert rest.step == 7
    assert rest.run(lambda _: None) is Stop.FINISHED
    _assert_equal(whole.network.state_dict(), rest.network.state_dict())


def test_training_lowers_the_loss_on_what_can_be_learnt(
    make_trainer: MakeTrainer, tiny_recipe: Recipe
) -> None:
    losses: list[float] = []
    trainer = make_trainer("learn", tiny_recipe, Extent(steps=60))
    trainer.run(lambda step: losses.append(step.loss))
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:10])


def test_a_checkpoint_of_another_seed_is_refused(make_trainer: MakeTrainer, tiny_recipe: Recipe) -> None:
    make_trainer("run", tiny_recipe, Extent(steps=2)).run(lambda _: None)
    with pytest.raises(CheckpointMismatch):
        make_trainer("run", replace(tiny_recipe, seed=5), Extent(steps=2))


def test_a_time_budget_runs_through_every_phase_and_stops(
    make_trainer: MakeTrainer, tiny_recipe: Recipe
) -> None:
    sizes: set[int] = set()
    trainer = make_trainer("budget", tiny_recipe, Extent(steps=1, budget_s=3.0))
    trainer.run(lambda step: sizes.add(step.size))
    assert sizes == {32, 40}
    assert trainer.elapsed_s >= 3.0
    assert isinstance(trainer.optimiser, torch.optim.SGD)


def test_a_torn_write_leaves_the_last_checkpoint(
    make_trainer: MakeTrainer, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    make_trainer("run", tiny_recipe, Extent(steps=2)).run(lambda _: None)
    (tmp_path / "run" / "last.partial").write_bytes(b"half a checkpoint")
    assert make_trainer("run", tiny_recipe, Extent(steps=2)).step == 2


def test_rare_classes_and_sources_are_drawn_more_often_than_they_occur(
    make_trainer: MakeTrainer, tiny_recipe: Recipe
) -> None:
    rows = make_trainer("x", tiny_recipe, Extent(steps=1)).training.rows
    few = [row for row in rows if row.label == "low"] + [row for row in rows if row.label == "high"][:2]
    chances = sampling_chances(few, balance=0.5)
    share = sum(c for c, row in zip(chances, few, strict=True) if row.label == "high")
    assert chances.sum() == pytest.approx(1)
    assert 2 / len(few) < share < 0.5


@pytest.mark.parametrize("recipe", [CXR, CT])
def test_augmented_pictures_keep_their_range_and_repeat_with_their_seed(recipe: Recipe) -> None:
    batch = torch.rand(12, 64, 64)
    first = augment(batch, 48, recipe.augmentation, np.random.default_rng(4))
    again = augment(batch, 48, recipe.augmentation, np.random.default_rng(4))
    assert first.shape == (12, 48, 48)
    assert torch.equal(first, again)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_a_foreign_tone_brings_the_grey_levels_of_another_picture(tiny_recipe: Recipe) -> None:
    dark, bright = torch.rand(1, 48, 48) * 0.2, torch.rand(1, 48, 48) * 0.2 + 0.8
    batch = torch.cat([dark, bright])
    only_tone = replace(NO_AUGMENTATION, foreign_tone_chance=1.0)
    changed = [augment(batch, 48, only_tone, np.random.default_rng(seed)) for seed in range(8)]
    assert max(float(pictures[0].mean()) for pictures in changed) > 0.3
    assert all(float(pictures.min()) >= 0 and float(pictures.max()) <= 1 for pictures in changed)


def test_without_augmentation_pictures_only_change_size() -> None:
    batch = torch.rand(3, 48, 48)
    assert torch.allclose(augment(batch, 48, NO_AUGMENTATION, np.random.default_rng(1)), batch, atol=1e-4)


def test_films_are_never_mirrored_and_slices_sometimes_are() -> None:
    assert _mirrored_share(CXR) == 0
    assert 0.3 < _mirrored_share(CT) < 0.7


def _mirrored_share(recipe: Recipe) -> float:
    """Share of pictures with a bright left half that come out with a bright right half."""
    batch = torch.zeros(60, 64, 64)
    batch[:, :, :32] = 1.0
    plain = replace(
        recipe.augmentation,
        border_chance=0.0,
        box_chance=0.0,
        letter_chance=0.0,
        blur_chance=0.0,
        foreign_tone_chance=0.0,
    )
    changed = augment(batch, 64, plain, np.random.default_rng(8))
    return float(
        (changed[:, 16:48, 40:56].mean((1, 2)) > changed[:, 16:48, 8:24].mean((1, 2))).float().mean()
    )


def _assert_equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert all(torch.equal(value, right[name]) for name, value in left.items())
