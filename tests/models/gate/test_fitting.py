"""Limits are chosen by collection, told honestly, and survive the way through the weights' file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.chest_gate import ChestGate, GateStatistics
from models.contract import GateScore, GateSettings, ImageKind
from models.evaluation.gate_chart import draw_gate, write_families
from models.evaluation.gate_tables import gate_text
from models.gate.fitting import MARGIN, choose_settings, pass_shares, passes, passes_of_halves
from models.gate.statistics import Scores, largest_excess
from models.gate.trial import COMBINED, Suspects, try_on
from tests.models.gate.made import made_film, made_outputs


def _one_score(values: npt.NDArray[np.float64]) -> Scores:
    return {
        name: torch.from_numpy(values if name is GateScore.RESIDUAL else 0 * values) for name in GateScore
    }


@pytest.fixture
def two_collections() -> tuple[Scores, list[str]]:
    """A large collection, and a small one that lies farther out."""
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.normal(0, 1, 900), draw.normal(3, 1, 100)])
    return _one_score(values), ["large"] * 900 + ["small"] * 100


def test_of_every_collection_at_least_98_percent_pass(two_collections: tuple[Scores, list[str]]) -> None:
    scores, sources = two_collections
    settings = choose_settings(scores, sources, ImageKind.CHEST_RADIOGRAPH)
    shares = pass_shares(passes(scores, settings), sources)
    assert all(share.share >= 0.98 for share in shares.values())
    assert shares["small"].rows == 100


def test_the_limit_lies_where_the_farthest_collection_needs_it(
    two_collections: tuple[Scores, list[str]],
) -> None:
    scores, sources = two_collections
    settings = choose_settings(scores, sources, ImageKind.CHEST_CT)
    of_small = largest_excess(scores, settings).numpy()[900:]
    assert settings.most_excess == pytest.approx(MARGIN * np.quantile(of_small, 0.98), rel=1e-3)
    assert settings.kind is ImageKind.CHEST_CT


def test_halves_are_judged_by_limits_they_had_no_part_in() -> None:
    values = np.concatenate([np.random.default_rng(2).normal(0, 1, 400), np.full(8, 40.0)])
    groups = [str(k) for k in range(400)] + ["one patient"] * 8
    shares = passes_of_halves(_one_score(values), ["a"] * 408, groups, ImageKind.CHEST_RADIOGRAPH)
    assert shares["a"].share <= 400 / 408  # the patient far out is judged by limits of others alone


def test_a_family_like_the_right_pictures_has_an_area_of_a_half_and_passes(film_gate: ChestGate) -> None:
    right, like = (_scores_of(film_gate, seed) for seed in (11, 12))
    family = try_on(Suspects(name="the same", scores=like, fitted=False), right, film_gate.settings)
    assert family.roc_auc[COMBINED] == pytest.approx(0.5, abs=0.1)
    assert family.refused < 0.05


def test_a_family_far_away_has_an_area_of_one_by_the_scores_that_see_it(film_gate: ChestGate) -> None:
    right, far = _scores_of(film_gate, 11), _scores_of(film_gate, 13, shift=25.0)
    family = try_on(Suspects(name="far", scores=far, fitted=True), right, film_gate.settings)
    assert family.roc_auc[GateScore.DISTANCE] == family.roc_auc[COMBINED] == 1
    assert family.roc_auc[GateScore.TEMPLATE] == pytest.approx(0.5, abs=0.1)
    assert family.refused == 1


def test_statistics_come_back_from_the_weights_file(film_gate: ChestGate, tmp_path: Path) -> None:
    save_file(film_gate.statistics.tensors(), tmp_path / "model.safetensors")
    again = GateStatistics.from_tensors(load_file(tmp_path / "model.safetensors"))
    assert all(torch.equal(t, again.tensors()[k]) for k, t in film_gate.statistics.tensors().items())


def test_settings_come_back_from_the_manifest(film_gate: ChestGate) -> None:
    text = film_gate.settings.model_dump_json()
    assert GateSettings.model_validate_json(text) == film_gate.settings


def test_card_chart_and_table_name_families_and_collections(film_gate: ChestGate, tmp_path: Path) -> None:
    right, far = _scores_of(film_gate, 11), _scores_of(film_gate, 13, shift=25.0)
    family = try_on(Suspects(name="ankles", scores=far, fitted=False), right, film_gate.settings)
    passed = pass_shares(np.array([True] * 97 + [False] * 3), ["kermany"] * 100)
    settings = film_gate.settings.model_copy(update={"families": (family,), "pass_by_source": passed})
    text = gate_text(settings)
    assert "| ankles | 100 | no |" in text
    assert "97.0% (below 98 %)" in text
    draw_gate(settings, "gate", tmp_path / "gate.png")
    write_families(settings, tmp_path / "gate.csv")
    assert (tmp_path / "gate.png").stat().st_size > 10_000
    assert "ankles,no,100" in (tmp_path / "gate.csv").read_text()


def _scores_of(gate: ChestGate, seed: int, shift: float = 0.0) -> Scores:
    draw = np.random.default_rng(seed)
    found = made_outputs(np.stack([made_film(draw) for _ in range(100)]), seed=seed, shift=shift)
    return gate.statistics.scores(found.thumbnails, found.pooled, found.logits)


def test_both_kinds_are_fitted(fitted_gate: Callable[[ImageKind], ChestGate]) -> None:
    assert fitted_gate(ImageKind.CHEST_CT).settings.validation_pass_share >= 0.97
