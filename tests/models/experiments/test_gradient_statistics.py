"""The statistic of Fig. 6: its 7264 weights, one trunk for both networks, and the direction it shows."""

import pytest
import torch

from models.errors import UnusableInput
from models.experiments.gradient_statistics import (
    KERNEL_WEIGHTS,
    Batch,
    Pair,
    first_kernels,
    fresh_pair,
    gradient_magnitudes,
    gradient_statistics,
    trunk_layers,
)
from models.networks.baselines import resnet18


@pytest.fixture(scope="module")
def pair() -> Pair:
    return fresh_pair(3, seed=4)


@pytest.fixture(scope="module")
def batch() -> Batch:
    torch.manual_seed(1)
    return Batch(images=torch.rand(4, 3, 64, 64) * 255, targets=torch.tensor([0, 1, 2, 0]))


def test_the_first_eight_convolutions_have_7264_weights_in_both_networks(pair: Pair) -> None:
    shapes = [[tuple(kernel.shape) for kernel in first_kernels(n)] for n in (pair.original, pair.modified)]
    assert shapes[0] == shapes[1]
    assert sum(kernel.numel() for kernel in first_kernels(pair.original)) == KERNEL_WEIGHTS == 7264


def test_both_networks_start_from_one_trunk(pair: Pair) -> None:
    mine, theirs = trunk_layers(pair.original), trunk_layers(pair.modified)
    assert len(mine) == len(theirs) == 13
    for left, right in zip(mine, theirs, strict=True):
        assert all(torch.equal(v, right.state_dict()[k]) for k, v in left.state_dict().items())


def test_short_paths_bring_larger_gradients_at_initialisation(pair: Pair, batch: Batch) -> None:
    original = gradient_magnitudes(pair.original, batch).mean()
    modified = gradient_magnitudes(pair.modified, batch).mean()
    assert modified > 3 * original > 0


def test_measuring_moves_no_weight_and_repeats(batch: Batch) -> None:
    network = fresh_pair(3, seed=4).modified
    before = {k: v.clone() for k, v in network.state_dict().items()}
    runs = [
        gradient_statistics(
            network, [batch, batch], names=("modified", "fresh"), seed=2, advance=lambda *_: None
        )
        for _ in range(2)
    ]
    parameters = dict(network.named_parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in parameters.items())
    assert (runs[0].magnitudes == runs[1].magnitudes).all()
    assert runs[0].magnitudes.shape == (2, KERNEL_WEIGHTS)


def test_another_trunk_is_refused() -> None:
    with pytest.raises(UnusableInput, match="not 7264"):
        first_kernels(resnet18(3))
