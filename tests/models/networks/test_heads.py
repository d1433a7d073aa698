"""Heads on their own: VGG's maps by its own backward pass, SqueezeNet's counted corner."""

import torch
from torch import nn

from models.networks.heads import FlattenHead, LogitMapHead


@torch.no_grad()
def test_a_flatten_head_s_maps_are_its_gradient_times_its_input() -> None:
    torch.manual_seed(2)
    head = FlattenHead(nn.Sequential(nn.Linear(3 * 49, 8), nn.Tanh(), nn.Dropout(), nn.Linear(8, 2))).eval()
    last_map = torch.rand(2, 3, 9, 9)
    with torch.inference_mode():
        maps = head.maps(last_map.clone())
    expected = torch.zeros(2, 2, 9, 9)
    step = 1e-2
    for channel in range(3):
        shift = torch.zeros_like(last_map)
        shift[:, channel] = step
        slope = (head(last_map + shift) - head(last_map - shift)) / (2 * step)
        expected += torch.einsum("nk,nhw->nkhw", slope, last_map[:, channel])
    assert torch.allclose(maps, expected, atol=1e-3)
    assert float(expected.abs().max()) > 0.05


def test_the_authors_squeezenet_counts_its_corner_only() -> None:
    whole, corner = LogitMapHead(4, 2).eval(), LogitMapHead(4, 2, corner=13).eval()
    corner.load_state_dict(whole.state_dict())
    last_map = torch.rand(1, 4, 18, 18)
    outside = last_map.clone()
    outside[..., 13:] = 5.0
    with torch.no_grad():
        assert torch.equal(corner(last_map), corner(outside))
        assert not torch.allclose(whole(last_map), whole(outside))
        assert torch.allclose(corner(last_map), whole(last_map[..., :13, :13]))
        assert corner.maps(last_map).shape == (1, 2, 13, 13)
