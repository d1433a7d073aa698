"""Dynamic fusion: per sample, with its evidence by depth; the authors' coupled one, which never serves."""

import pytest
import torch
from torch import Tensor, nn

from models.errors import UnusableInput
from models.networks.dynamic_fusion import DynamicFusion
from models.networks.grad_cam import grad_cam
from models.networks.modified import LastLayer, mobilenet_v3_small_layers
from models.networks.registry import build_network
from tests.models.networks.conftest import Build

PER_SAMPLE = ("modified_mobilenet_v3_small", "modified_resnet18", "modified_tf_efficientnet_lite0")
AUTHORS = ("modified_mobilenet_v3_small_authors", "modified_resnet18_authors")
KERNELS_OF_FIGURE_6 = 7264


@pytest.fixture
def images() -> Tensor:
    torch.manual_seed(3)
    return torch.rand(8, 3, 64, 64) * 255


def _fusion(settled: Build, name: str) -> DynamicFusion:
    network = settled(name)
    assert isinstance(network, DynamicFusion)
    return network


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_each_depth_brings_the_share_of_the_logit_that_its_map_shows(
    name: str, settled: Build, images: Tensor
) -> None:
    network = _fusion(settled, name)
    with torch.no_grad():
        features = network.features(images[:2])
        logits, shares = network.logits(features), network.explained(images[:2]).evidence_by_scale
        for depth in range(4):
            kept = features.scale_weights.clone()
            features.scale_weights[:, depth] = 0
            brought = logits - network.logits(features)
            features.scale_weights.copy_(kept)
            assert torch.allclose(brought, shares[..., depth], atol=1e-5 * float(logits.abs().max()))


def test_weights_depend_on_intensities_and_not_on_their_places(settled: Build) -> None:
    network = _fusion(settled, "modified_mobilenet_v3_small")
    grey = torch.rand(1, 1, 64, 64) * 255
    shuffled = grey.flatten()[torch.randperm(64 * 64)].view_as(grey)
    with torch.no_grad():
        weights, elsewhere, darker = (
            network.features(image.expand(-1, 3, -1, -1)).scale_weights
            for image in (grey, shuffled, grey * 0.5)
        )
    assert weights.shape == (1, 5)
    assert torch.allclose(weights, elsewhere, rtol=1e-4)
    assert not torch.allclose(weights, darker, rtol=1e-2)


@pytest.mark.parametrize("name", AUTHORS)
def test_the_authors_fusion_lets_the_first_five_samples_decide_for_all(
    name: str, settled: Build, images: Tensor
) -> None:
    network = _fusion(settled, name)
    first_changed, last_changed = images.clone(), images.clone()
    first_changed[0] *= 0.2
    last_changed[5:] *= 0.2
    with torch.no_grad():
        before = network(images)
        coupled = network(first_changed)[5:] - before[5:]
        assert float(coupled.abs().max()) > 1e-3 * float(before.abs().max())
        assert torch.allclose(network(last_changed)[:5], before[:5], rtol=1e-4)
        assert not torch.allclose(network(images.flip(0)).flip(0), before, rtol=1e-3)


@pytest.mark.parametrize("name", AUTHORS)
def test_the_authors_fusion_needs_five_samples_and_does_not_serve(
    name: str, settled: Build, images: Tensor
) -> None:
    network = _fusion(settled, name)
    assert not network.serves
    with pytest.raises(UnusableInput, match="needs 5 samples"), torch.no_grad():
        network(images[:4])


@pytest.mark.parametrize("name", AUTHORS)
def test_the_authors_fusion_is_explained_as_it_computes(name: str, settled: Build, images: Tensor) -> None:
    network = _fusion(settled, name)
    with torch.no_grad():
        explained = network.explained(images[:5])
    expected = grad_cam(network, images[:5])
    assert torch.allclose(explained.maps[4][4], expected[4], atol=1e-5 * float(expected.abs().max()))


def test_the_concatenated_fusion_ignores_the_weights_and_serves(settled: Build, images: Tensor) -> None:
    network = _fusion(settled, "modified_resnet18:fusion=concat")
    with torch.no_grad():
        features = network.features(images[:2])
        before = network.logits(features)
        features.scale_weights.zero_()
        assert torch.equal(network.logits(features), before)
        assert network.explained(images[:1]).evidence_by_scale.shape == (1, 3, 5)
    assert network.serves
    assert network.classifier.in_features == 5 * 32


def test_the_film_trunk_is_gluon_s_unless_torchvision_s_is_asked_for() -> None:
    gluon, torchvision = (
        build_network(f"modified_mobilenet_v3_small{options}", classes=5) for options in ("", ":last=1024")
    )
    for network, epsilon, width in ((gluon, 1e-5, 1280), (torchvision, 1e-3, 1024)):
        assert isinstance(network, DynamicFusion)
        norms = [m for m in network.last_stage.modules() if isinstance(m, nn.BatchNorm2d)]
        assert {norm.eps for norm in norms} == {epsilon}
        assert network.vector is not None
        assert network.vector.project.out_channels == width
        assert (network.vector.project.bias is None) == (width == 1280)


def test_the_first_eight_convolutions_have_the_kernels_of_figure_6() -> None:
    layers = mobilenet_v3_small_layers(LastLayer.GLUON)
    spatial = [
        module
        for name, module in layers.named_modules()
        if isinstance(module, nn.Conv2d) and ".fc" not in name  # squeeze and excitation is not counted
    ]
    assert sum(conv.weight.numel() for conv in spatial[:8]) == KERNELS_OF_FIGURE_6


def test_pixels_come_to_the_trunk_as_the_option_says() -> None:
    raw = build_network("modified_resnet18", classes=2).eval()
    scaled = build_network("modified_resnet18:norm=imagenet", classes=2).eval()
    scaled.load_state_dict(raw.state_dict())
    images = torch.rand(2, 3, 64, 64) * 255
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = raw((images / 255 - mean) / deviation)
        assert torch.allclose(scaled(images), expected, atol=1e-4)
