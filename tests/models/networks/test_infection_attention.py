"""CID: the attention factor of Eq. 4, what it multiplies, and what the literal text collapses to."""

import pytest
import torch
from torch.nn import functional

from models.errors import UnbuildableNetwork
from models.networks.infection_attention import AttentionOptions, Gate, InfectionAttention, Inner


def test_one_attention_map_is_copied_to_every_channel() -> None:
    attention = InfectionAttention(64)
    x = torch.rand(2, 64, 7, 7)
    gate = attention.attention(x)
    assert attention.attention_factor == 64
    assert gate.shape == (2, 1, 7, 7)
    assert torch.all((gate > 0) & (gate < 1))
    assert torch.equal(attention(x), x * gate)


def test_several_attention_maps_share_the_channels_in_blocks() -> None:
    attention = InfectionAttention(64, AttentionOptions(maps=16))
    x = torch.rand(2, 64, 7, 7)
    out, gate = attention(x), attention.attention(x)
    assert attention.attention_factor == 4
    for channel in (0, 3, 4, 63):
        assert torch.equal(out[:, channel], x[:, channel] * gate[:, channel // 4])


def test_maps_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(UnbuildableNetwork, match="64 channels cannot share 7"):
        InfectionAttention(64, AttentionOptions(maps=7))


def test_without_an_inner_activation_both_convolutions_are_one() -> None:
    literal = InfectionAttention(32, AttentionOptions(inner=Inner.NONE, gate=Gate.NONE))
    first, second = literal.reduce.weight.flatten(1), literal.score.weight.flatten(1)
    assert literal.reduce.bias is not None
    weight, bias = second @ first, literal.score(literal.reduce.bias[None, :, None, None]).flatten()
    x = torch.rand(1, 32, 5, 5)
    one = functional.conv2d(x, weight[:, :, None, None], bias)
    assert torch.allclose(literal.attention(x), one, atol=1e-5)
    assert not torch.allclose(InfectionAttention(32, AttentionOptions(gate=Gate.NONE)).attention(x), one)


def test_the_residual_gate_removes_nothing() -> None:
    attention = InfectionAttention(32, AttentionOptions(gate=Gate.RESIDUAL))
    x = torch.rand(1, 32, 5, 5)
    assert torch.all(attention(x) >= x)
