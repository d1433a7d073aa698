"""Distances in a few directions, against the arithmetic that they stand for."""

import pytest
import torch

from models.gate.feature_space import MOST_DIRECTIONS, fit_feature_space, from_precision, telling_direction


def _even(rows: int) -> torch.Tensor:
    return torch.full((rows,), 1 / rows)


def test_directions_and_residual_hold_the_whole_variance() -> None:
    features = torch.randn(500, 20, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 21)
    space = fit_feature_space(features, _even(500))
    total = (features - features.mean(0)).square().sum(1).mean()
    kept = ((features - space.mean) @ space.directions.T).square().sum(1).mean()
    assert len(space.directions) == 19
    assert float(kept + space.residual) == pytest.approx(float(total), rel=1e-4)
    assert float(space.outside(features).square().mean()) == pytest.approx(1, rel=1e-3)


def test_statistics_of_1280_channels_stay_below_0_4_megabytes() -> None:
    space = fit_feature_space(torch.randn(300, 1280, generator=torch.Generator().manual_seed(2)), _even(300))
    stored = (space.mean, space.directions, space.variances, space.residual)
    assert len(space.directions) == MOST_DIRECTIONS
    assert sum(t.numel() * t.element_size() for t in stored) < 0.4e6


def test_a_picture_far_outside_the_directions_has_a_large_residual_and_no_distance() -> None:
    draw = torch.Generator().manual_seed(3)
    features = torch.randn(400, 70, generator=draw)
    features[:, 66:] *= 0.01
    space = fit_feature_space(features, _even(400))
    strange = space.mean.clone()[None]
    strange[0, 69] += 30
    assert float(space.outside(strange)[0]) > 10
    assert float(space.distance(strange)[0]) < 1


def test_the_whole_inverse_covariance_of_0_1_0_gives_the_same_distance() -> None:
    draw = torch.Generator().manual_seed(4)
    mixing = torch.randn(8, 8, generator=draw)
    precision, offset = mixing @ mixing.T + torch.eye(8), torch.randn(5, 8, generator=draw)
    space = from_precision(torch.zeros(8), precision)
    expected = (torch.einsum("nc,cd,nd->n", offset, precision, offset) / 8).sqrt()
    assert torch.allclose(space.distance(offset), expected, rtol=1e-4)
    assert torch.equal(space.outside(offset), torch.zeros(5))


def test_a_source_of_few_rows_moves_the_mean_by_its_weight_not_its_rows() -> None:
    features = torch.cat([torch.zeros(90, 4), torch.ones(10, 4)])
    weights = torch.cat([torch.full((90,), 0.5 / 90), torch.full((10,), 0.5 / 10)])
    assert torch.allclose(fit_feature_space(features, weights).mean, torch.full((4,), 0.5))


def test_outliers_lie_higher_along_the_telling_direction() -> None:
    draw = torch.Generator().manual_seed(5)
    ours = torch.randn(300, 10, generator=draw) * torch.tensor([50.0] + [1.0] * 9)
    others = ours.flip(0) + torch.tensor([0.0, 3.0] + [0.0] * 8)
    direction = telling_direction(ours, _even(300), others)
    assert float((others @ direction).quantile(0.1)) > float((ours @ direction).quantile(0.9)) - 1
    assert int(direction.abs().argmax()) == 1
