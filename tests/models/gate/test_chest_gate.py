"""The gate as it serves, on made films: what is strange is refused, and told why."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from models.chest_gate import ChestGate, GateStatistics, judge_slices
from models.contract import GateScore, GateSettings, GateVerdict, ImageKind
from models.gate.thumbnails import Disguise, disguised
from tests.models.gate.made import CHANNELS, LABELS, Film, made_film


@pytest.fixture
def film() -> Film:
    return made_film(np.random.default_rng(9))


def test_a_film_like_the_others_passes(
    film_gate: ChestGate, film: Film, usual: tuple[Tensor, Tensor]
) -> None:
    verdict = film_gate.judge(film, *usual)
    assert verdict.passed
    assert 0 < verdict.score <= 1.5


@pytest.mark.parametrize("way", Disguise)
def test_a_film_shown_wrongly_is_told_how(
    film_gate: ChestGate, film: Film, usual: tuple[Tensor, Tensor], way: Disguise
) -> None:
    shown = disguised(torch.from_numpy(film)[None], way, white=1.0)[0].numpy()
    verdict = film_gate.judge(np.ascontiguousarray(shown), *usual)
    assert not verdict.passed
    assert way.value in verdict.reason
    assert verdict.score < 0


def test_features_far_from_training_are_refused(
    film_gate: ChestGate, film: Film, usual: tuple[Tensor, Tensor]
) -> None:
    far = torch.zeros(CHANNELS)
    far[3] = -20
    verdict = film_gate.judge(film, far, usual[1])
    assert not verdict.passed
    assert "the model knows" in verdict.reason


def test_logits_alone_refuse_nothing(film_gate: ChestGate, film: Film) -> None:
    assert film_gate.judge(film, torch.zeros(CHANNELS), torch.full((LABELS,), -8.0)).passed


def test_what_is_blank_is_refused_whatever_its_features(
    film_gate: ChestGate, usual: tuple[Tensor, Tensor]
) -> None:
    verdict = film_gate.judge(np.full((200, 200), 0.5, dtype=np.float32), *usual)
    assert (verdict.passed, verdict.score) == (False, 0.0)
    assert "blank" in verdict.reason


def test_a_slice_upside_down_may_be_of_a_prone_patient(
    fitted_gate: Callable[[ImageKind], ChestGate], film: Film, usual: tuple[Tensor, Tensor]
) -> None:
    gate = fitted_gate(ImageKind.CHEST_CT)
    assert "inverted" in gate.judge(1 - film, *usual).reason
    assert "upside down" not in gate.judge(np.ascontiguousarray(film[::-1]), *usual).reason


def test_slices_are_judged_one_by_one(film_gate: ChestGate, film: Film, usual: tuple[Tensor, Tensor]) -> None:
    pictures = torch.from_numpy(np.stack([film, 1 - film]))
    first, second = film_gate.judge_each(pictures, usual[0].expand(2, -1), usual[1].expand(2, -1))
    assert first == film_gate.judge(film, *usual)
    assert not second.passed


@pytest.mark.parametrize(("strange", "passed"), [(0, True), (5, True), (6, False), (10, False)])
def test_a_study_is_refused_when_most_of_its_slices_are(strange: int, passed: bool) -> None:
    right = GateVerdict(passed=True, score=0.6, reason="looks like a chest CT slice")
    wrong = GateVerdict(passed=False, score=-0.4, reason="does not look like a chest CT slice")
    verdict = judge_slices([right] * (10 - strange) + [wrong] * strange)
    assert verdict.passed is passed
    assert (f"{strange} of 10" in verdict.reason) is not passed


def test_a_study_without_slices_is_refused() -> None:
    assert not judge_slices([]).passed


def test_weights_of_0_1_0_are_judged_by_their_two_thresholds(film: Film) -> None:
    template = torch.randn(32, 32, generator=torch.Generator().manual_seed(1))
    stored = {"gate.template": template / template.norm(), "gate.mean": torch.zeros(4)}
    stored["gate.precision"] = torch.eye(4) * 4
    old = {"least_resemblance": -1.0, "most_distance": 3.0, "validation_pass_share": 0.99}
    settings = GateSettings.model_validate(old)
    gate = ChestGate(statistics=GateStatistics.from_tensors(stored), settings=settings)
    assert set(settings.limits) == {GateScore.TEMPLATE, GateScore.DISTANCE}
    assert gate.judge(film, torch.full((4,), 1.4), torch.zeros(2)).passed
    assert not gate.judge(film, torch.full((4,), 1.6), torch.zeros(2)).passed
