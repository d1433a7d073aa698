"""D-SPP: Eq. 3, one receptive field for all depths, and every way to align, mix and join."""

import pytest
import torch
from torch import Tensor, nn

from models.errors import UnbuildableNetwork
from models.networks.enhanced import EnhancedNetwork, Join
from models.networks.registry import build_network
from models.networks.spatial_pyramid import (
    Align,
    Mix,
    PyramidOptions,
    SpatialPyramid,
    atrous_rates,
    atrous_rates_of_sizes,
)
from tests.models.networks.conftest import Build

CHANNELS = 4


def test_equation_3_gives_the_same_rates_from_sizes_and_from_strides() -> None:
    assert atrous_rates((8, 16, 32)) == atrous_rates_of_sizes([(28, 28), (14, 14), (7, 7)]) == (12, 6, 3)
    five = [(224 // stride, 224 // stride) for stride in (2, 4, 8, 16, 32)]
    assert atrous_rates((2, 4, 8, 16, 32)) == atrous_rates_of_sizes(five) == (48, 24, 12, 6, 3)
    assert atrous_rates((8, 16, 32), alpha=2) == (8, 4, 2)
    assert atrous_rates_of_sizes([(28, 20), (14, 10), (7, 5)], alpha=2) == (8, 4, 2)


def test_every_depth_samples_the_same_places_of_the_image() -> None:
    strides = (2, 4, 8, 16, 32)
    options = PyramidOptions(stages=(2, 3, 4, 5, 6))
    pyramid = SpatialPyramid(channels=[CHANNELS] * 5, strides=strides, out=16, options=options)
    seen = [_places(branch, stride) for branch, stride in zip(pyramid.branches, strides, strict=True)]
    assert all(places == seen[0] for places in seen)
    assert {row for row, _ in seen[0]} == {96, 192, 288}


def _places(branch: nn.Module, stride: int) -> set[tuple[int, int]]:
    """Return the image positions that output cell (6, 7) of a 448 x 448 image reads."""
    assert isinstance(branch, nn.Sequential)
    x = torch.zeros(1, CHANNELS, 448 // stride, 448 // stride, requires_grad=True)
    out: Tensor = branch[0](x)
    assert out.shape[-2:] == (14, 14)
    out[0, :, 6, 7].sum().backward()
    assert x.grad is not None
    return {(int(i) * stride, int(j) * stride) for i, j in x.grad[0].abs().sum(0).nonzero()}


@pytest.mark.parametrize(("align", "side"), [(Align.STRIDE, 3), (Align.POOL, 3), (Align.UP, 12)])
@pytest.mark.parametrize("mix", Mix)
def test_branches_meet_on_one_grid(align: Align, side: int, mix: Mix) -> None:
    options = PyramidOptions(align=align, mix=mix, width=8)
    pyramid = SpatialPyramid(channels=(3, 5, 7), strides=(8, 16, 32), out=16, options=options)
    maps = [torch.rand(2, c, n, n) for c, n in ((3, 12), (5, 6), (7, 3))]
    assert pyramid(maps).shape == (2, 16, side, side)


def test_sizes_that_are_no_multiple_of_32_meet_on_the_smallest_grid() -> None:
    pyramid = SpatialPyramid(channels=(3, 5, 7), strides=(8, 16, 32), out=16, options=PyramidOptions())
    maps = [torch.rand(2, c, n, n) for c, n in ((3, 25), (5, 12), (7, 5))]
    assert pyramid(maps).shape == (2, 16, 5, 5)


@pytest.mark.parametrize("stages", [(0, 6), (6, 7), (5, 5)])
def test_stages_that_are_none_are_refused(stages: tuple[int, ...]) -> None:
    with pytest.raises(UnbuildableNetwork, match="stages"):
        PyramidOptions(stages=stages)


@pytest.mark.parametrize("stages", ["6", "5+6", "4", "1+2+3+4+5", "2+3+4+5+6"])
@pytest.mark.parametrize("join", [join.value for join in Join])
def test_any_stages_join_the_trunk_s_last_map(stages: str, join: str) -> None:
    with torch.device("meta"):
        network = build_network(f"dspp_cid_resnet18:stages={stages},join={join}", classes=2).eval()
        assert network.features(torch.empty(1, 3, 64, 64)).last_map.shape == (1, 512, 2, 2)


def test_a_residual_join_starts_as_the_plain_network(settled: Build) -> None:
    residual = build_network("dspp_cid_resnet18:join=residual,cid=none", classes=3).eval()
    plain = settled("plain_resnet18")
    assert isinstance(residual, EnhancedNetwork)
    loaded = residual.load_state_dict(plain.state_dict(), strict=False)
    assert {key.split(".")[0] for key in loaded.missing_keys} == {"pyramid"}
    assert not loaded.unexpected_keys
    images = torch.rand(2, 3, 64, 64) * 255
    with torch.no_grad():
        assert torch.equal(residual(images), plain(images))
    replaced = build_network("dspp_cid_resnet18:join=replace,cid=none", classes=3).eval()
    replaced.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        assert not torch.allclose(replaced(images), plain(images))
