"""Depthwise convolutions stay in float32 under autocast, at the same result and the same names."""

import torch
from torch import nn

from models.training.precision import keep_depthwise_in_float32


def _network() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 3, groups=2))


def test_only_the_depthwise_layer_sees_float32() -> None:
    network = _network()
    keep_depthwise_in_float32(network)
    seen: dict[int, torch.dtype] = {}
    for number, layer in enumerate(network):
        layer.register_forward_hook(lambda _m, _i, out, n=number: seen.__setitem__(n, out.dtype))
    weights: list[torch.dtype] = []
    depthwise = network[0]
    torch.Tensor.register_hook(depthwise.weight, lambda grad: weights.append(grad.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network(torch.randn(1, 4, 8, 8))
    out.float().sum().backward()
    assert out.dtype is torch.bfloat16
    assert seen[0] is torch.float32  # the input was float32, so the result stays so
    assert seen[1] is torch.bfloat16
    assert weights == [torch.float32]


def test_nothing_changes_in_float32() -> None:
    plain, patched = _network(), _network()
    keep_depthwise_in_float32(patched)
    image = torch.randn(2, 4, 9, 9)
    assert torch.equal(plain(image), patched(image))
    assert list(plain.state_dict()) == list(patched.state_dict())
