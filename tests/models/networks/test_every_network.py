"""What every network promises: shapes, no sample that sees another, no state, a map that is the logit."""

import pytest
import torch
from torch import Tensor

from models.networks.grad_cam import grad_cam
from models.networks.heads import HeadedNetwork, LogitMapHead, PooledLinearHead
from models.networks.interface import ChestNetwork, HeatMapKind
from models.networks.registry import NETWORKS, build_network
from tests.models.networks.conftest import Build

VGG = {name for name in NETWORKS if "vgg" in name}  # 140 million weights: on the meta device, below
SAME_CODE = {"dspp_cid_resnet34", "plain_resnet34", "plain_resnet50"}  # as ResNet18 and the enhanced ResNet50
COUPLED = {name for name in NETWORKS if name.endswith("_authors")}  # in test_dynamic_fusion.py
SIDE = 80  # Inception reads no less


@pytest.fixture(scope="module", params=sorted(set(NETWORKS) - VGG - SAME_CODE - COUPLED))
def network(request: pytest.FixtureRequest, settled: Build) -> ChestNetwork:
    return settled(str(request.param))


@pytest.fixture(scope="module")
def images() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, SIDE, SIDE) * 255


def test_it_gives_a_logit_and_a_map_for_every_label(network: ChestNetwork, images: Tensor) -> None:
    with torch.no_grad():
        explained = network.explained(images)
    assert explained.logits.shape == (2, 3)
    assert explained.pooled.ndim == 2
    assert {tuple(scale.shape[:2]) for scale in explained.maps} == {(2, 3)}
    assert len(explained.maps) == (5 if network.heat_map is HeatMapKind.EXACT_MULTI_SCALE else 1)
    assert torch.equal(explained.logits, network(images))


def test_a_sample_alone_gets_the_logits_that_it_gets_in_a_batch(
    network: ChestNetwork, images: Tensor
) -> None:
    assert network.serves
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    assert torch.allclose(alone, together, atol=float(together.abs().max()) * 1e-5)


def test_a_forward_pass_in_eval_leaves_no_state(network: ChestNetwork, images: Tensor) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        first = network(images)
        network(images.flip(0) * 0.5)
        again = network(images)
    assert torch.equal(first, again)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_its_heat_map_is_what_its_kind_says(network: ChestNetwork, images: Tensor) -> None:
    with torch.no_grad():
        explained = network.explained(images)
    if network.heat_map is HeatMapKind.EXACT:
        bias = _bias(network).expand_as(explained.logits)
        assert torch.allclose(explained.unplaced, bias, atol=1e-5 * float(explained.logits.abs().max()))
    if not (isinstance(network, HeadedNetwork) and isinstance(network.head, LogitMapHead)):
        expected = grad_cam(network, images)
        assert torch.allclose(explained.maps[-1], expected, atol=1e-5 * float(expected.abs().max()))


def _bias(network: ChestNetwork) -> Tensor:
    """Return what the heat map of an exact kind leaves without a place: SqueezeNet's has it inside."""
    assert isinstance(network, HeadedNetwork)
    return network.head.linear.bias if isinstance(network.head, PooledLinearHead) else torch.zeros(3)


@pytest.mark.parametrize("name", sorted(VGG))
def test_vgg_gives_a_logit_and_a_map_for_every_label(name: str) -> None:
    with torch.device("meta"):
        explained = build_network(name, classes=3).eval().explained(torch.empty(2, 3, 224, 224))
    assert explained.logits.shape == (2, 3)
    assert [tuple(scale.shape) for scale in explained.maps] == [(2, 3, 7, 7)]
