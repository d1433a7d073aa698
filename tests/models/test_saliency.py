"""The heat map's arithmetic is exact: spatial means and bias give the logit back, for both networks."""

import pytest
import torch

from models.networks.dynamic_fusion import DynamicFusion
from models.networks.registry import NETWORKS, build_network
from models.saliency import Explanation, explain, heat_map

SIZES = {"modified_mobilenet_v3_small": 299, "modified_resnet18": 256}


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> DynamicFusion:
    torch.manual_seed(7)
    net = build_network(request.param, classes=4)
    net.train()
    with torch.no_grad():
        for _ in range(3):  # batch norm statistics that are not the initial ones
            net(torch.rand(4, 3, 96, 96) * 255)
    net.eval().requires_grad_(False)
    net.classifier.bias.uniform_(-1, 1)
    return net


def _explained(network: DynamicFusion, images: torch.Tensor, labels: list[int]) -> Explanation:
    features = network.features(images)
    return explain(network, features, network.logits(features), torch.tensor(labels))


def test_the_five_means_and_the_bias_sum_to_the_logit_of_any_label(network: DynamicFusion) -> None:
    size = SIZES["modified_resnet18" if network.vector is None else "modified_mobilenet_v3_small"]
    images = torch.rand(2, 3, size, size) * 255
    for label in range(4):
        explanation = _explained(network, images, [label, 3 - label])
        total = explanation.evidence_by_scale.sum(1) + network.classifier.bias[[label, 3 - label]]
        wanted = explanation.logits[torch.arange(2), torch.tensor([label, 3 - label])]
        assert torch.allclose(total, wanted, atol=1e-4 * float(wanted.abs().max() + 1))


def test_the_last_map_without_its_offset_is_grad_cam(network: DynamicFusion) -> None:
    images = torch.rand(1, 3, 128, 128) * 255
    features = network.features(images)
    last = features.last_map.clone().requires_grad_(True)
    pooled = last.mean((2, 3), keepdim=True)
    vector = pooled if network.vector is None else network.vector(pooled)
    active = network.branches[4](vector).flatten(1)
    part = (active * network.classifier.weight[1] * features.scale_weights[:, 4:]).sum()
    (gradient,) = torch.autograd.grad(part, last)
    grad_cam = (gradient.sum((2, 3), keepdim=True) * last).sum(1).detach()
    explanation = explain(network, features, network.logits(features), torch.tensor([1]))
    ours = explanation.maps[4] - explanation.offset[:, None, None]
    assert torch.allclose(ours, grad_cam, atol=1e-4 * float(grad_cam.abs().max() + 1e-6))


def test_the_heat_map_lies_on_the_source_grid_between_nothing_and_one(network: DynamicFusion) -> None:
    explanation = _explained(network, torch.rand(1, 3, 128, 128) * 255, [2])
    saliency = heat_map(explanation, 0, 200, 333)
    assert saliency.shape == (200, 333)
    assert saliency.dtype == "float32"
    assert saliency.min() >= 0
    assert saliency.max() in (0.0, 1.0)


def test_a_place_that_speaks_for_the_label_is_where_the_heat_is() -> None:
    quiet = torch.zeros(1, 8, 8)
    speaking = quiet.clone()
    speaking[0, 1, 6] = 5.0
    explanation = Explanation(
        logits=torch.zeros(1, 2), maps=(quiet, quiet, speaking, quiet, quiet - 3), offset=torch.tensor([-3.0])
    )
    saliency = heat_map(explanation, 0, 160, 80)
    row, column = divmod(int(saliency.argmax()), 80)
    assert 20 <= row < 40
    assert 60 <= column < 70


def test_evidence_against_the_label_only_gives_an_empty_map() -> None:
    against = torch.full((1, 4, 4), -1.0)
    explanation = Explanation(
        logits=torch.zeros(1, 2), maps=(against, against, against, against, against), offset=torch.zeros(1)
    )
    assert not heat_map(explanation, 0, 10, 10).any()
