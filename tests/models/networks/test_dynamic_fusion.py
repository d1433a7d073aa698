"""The two networks against the sizes in the paper's tables, and per-sample fusion."""

import pytest
import torch
from torch import nn

from models.errors import UnknownModel
from models.networks.registry import NETWORKS, build_network
from models.training.export import size_megabytes


@pytest.mark.parametrize(
    ("name", "classes", "parameters", "megabytes"),
    [("modified_mobilenet_v3_small", 5, 1_752_643, 7.06), ("modified_resnet18", 3, 11_209_889, 44.88)],
)
def test_a_network_has_the_paper_s_size(name: str, classes: int, parameters: int, megabytes: float) -> None:
    network = build_network(name, classes=classes)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert size_megabytes(network) == pytest.approx(megabytes, abs=0.005)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_sample_alone_gets_the_logits_that_it_gets_in_any_batch(name: str) -> None:
    torch.manual_seed(1)
    network = build_network(name, classes=3).eval()
    images = torch.rand(6, 3, 96, 96) * 255
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
        reversed_batch = network(images.flip(0)).flip(0)
    scale = together.abs().max()
    assert torch.allclose(alone, together, atol=float(scale) * 1e-5)
    assert torch.allclose(reversed_batch, together, atol=float(scale) * 1e-5)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_forward_pass_in_eval_leaves_no_state(name: str) -> None:
    network = build_network(name, classes=3).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        network(torch.rand(2, 3, 64, 64) * 255)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_film_trunk_s_batch_norms_use_gluon_s_epsilon() -> None:
    network = build_network("modified_mobilenet_v3_small", classes=5)
    assert {m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-5}


def test_fusion_weights_depend_on_intensities_and_not_on_their_places() -> None:
    torch.manual_seed(2)
    network = build_network("modified_mobilenet_v3_small", classes=5).eval()
    grey = torch.rand(1, 1, 64, 64) * 255
    shuffled = grey.flatten()[torch.randperm(64 * 64)].view_as(grey)
    with torch.no_grad():
        weights = network.features(grey.expand(-1, 3, -1, -1)).scale_weights
        elsewhere = network.features(shuffled.expand(-1, 3, -1, -1)).scale_weights
        brighter = network.features(grey.expand(-1, 3, -1, -1) * 0.5).scale_weights
    assert weights.shape == (1, 5)
    assert torch.allclose(weights, elsewhere, rtol=1e-4)
    assert not torch.allclose(weights, brighter, rtol=1e-2)


def test_an_unknown_network_is_refused_by_name() -> None:
    with pytest.raises(UnknownModel, match="modified_resnet18"):
        build_network("resnet9000", classes=2)
