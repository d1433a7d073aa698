"""The heat map: on the source grid, between nothing and one, and hot where the maps speak for the label."""

import pytest
import torch
from torch import Tensor

from models.networks.interface import Explained
from models.saliency import heat_map, maps_of

QUIET = torch.zeros(8, 8)


@pytest.mark.parametrize("sizes", [(7,), (15, 14, 8, 3)])
def test_the_heat_map_lies_on_the_source_grid_between_nothing_and_one(sizes: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    saliency = heat_map([torch.randn(size, size) for size in sizes], 200, 333)
    assert saliency.shape == (200, 333)
    assert saliency.dtype == "float32"
    assert saliency.min() == 0
    assert saliency.max() == 1


def test_a_place_that_speaks_for_the_label_is_where_the_heat_is() -> None:
    speaking = QUIET.clone()
    speaking[1, 6] = 5.0
    saliency = heat_map([QUIET, speaking, torch.zeros(3, 3)], 160, 80)
    row, column = divmod(int(saliency.argmax()), 80)
    assert 20 <= row < 40
    assert 60 <= column < 70


def test_what_one_scale_says_another_can_take_back() -> None:
    speaking = QUIET.clone()
    speaking[1, 6] = 5.0
    assert not heat_map([speaking, -2 * speaking], 16, 16).any()


def test_evidence_against_the_label_only_gives_an_empty_map() -> None:
    assert not heat_map([torch.full((4, 4), -1.0)] * 5, 10, 10).any()


def test_the_maps_of_one_image_and_label_are_picked_out_of_a_batch() -> None:
    scales: tuple[Tensor, ...] = (torch.rand(2, 3, 5, 5), torch.rand(2, 3, 2, 2))
    explained = Explained(logits=torch.zeros(2, 3), pooled=torch.zeros(2, 4), maps=scales)
    fine, coarse = maps_of(explained, 1, 2)
    assert torch.equal(fine, scales[0][1, 2])
    assert torch.equal(coarse, scales[1][1, 2])
