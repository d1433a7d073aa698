"""The running mean follows the weights, forgets the first ones, and survives a checkpoint."""

import torch
from torch import nn

from models.training.averaging import WeightAverage


def _set(network: nn.Linear, value: float) -> None:
    with torch.no_grad():
        network.weight.fill_(value)


def test_the_mean_of_steady_weights_is_these_weights() -> None:
    network = nn.Linear(2, 2)
    average = WeightAverage(network, 0.9)
    _set(network, 3.0)
    for _ in range(200):
        average.follow(network)
    assert torch.allclose(average.state()["weight"], torch.full((2, 2), 3.0), atol=1e-4)


def test_a_late_jump_moves_the_mean_by_the_decay_only() -> None:
    network = nn.Linear(1, 1)
    average = WeightAverage(network, 0.9)
    _set(network, 0.0)
    for _ in range(300):
        average.follow(network)
    _set(network, 1.0)
    average.follow(network)
    assert abs(float(average.state()["weight"]) - 0.1) < 1e-3


def test_without_decay_nothing_is_kept() -> None:
    assert WeightAverage(nn.Linear(1, 1), 0.0).state() == {}


def test_a_mean_read_back_ends_where_an_uninterrupted_one_does() -> None:
    network = nn.Linear(1, 1)
    whole, pieces = WeightAverage(network, 0.99), WeightAverage(network, 0.99)
    for step in range(20):
        if step == 5:
            saved = {name: tensor.clone() for name, tensor in pieces.state().items()}
            pieces = WeightAverage(network, 0.99)
            pieces.load(saved, steps=5)
        _set(network, float(step))
        whole.follow(network)
        pieces.follow(network)
    assert torch.equal(whole.state()["weight"], pieces.state()["weight"])
