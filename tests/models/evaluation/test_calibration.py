"""Temperature and thresholds do what they promise on made answers."""

import numpy as np
import pytest
import torch

from models.datasets.manifest import ImageRow
from models.evaluation.calibration import (
    cross_calibrated,
    fit_calibration,
    operating_points,
    youden_threshold,
)
from models.evaluation.metrics import Answers


def test_a_temperature_undoes_overconfidence() -> None:
    draw = torch.Generator().manual_seed(3)
    honest = torch.randn(4000, 3, generator=draw) * 2
    truth = torch.distributions.Categorical(logits=honest).sample()
    assert fit_calibration(honest * 2.5, truth).temperature == pytest.approx(2.5, rel=0.1)
    assert fit_calibration(honest, truth).temperature == pytest.approx(1.0, rel=0.1)


def test_offsets_undo_what_even_sampling_did_to_rare_classes() -> None:
    draw = torch.Generator().manual_seed(4)
    honest = torch.randn(6000, 3, generator=draw) * 2
    truth = torch.distributions.Categorical(logits=honest).sample()
    shifted = honest + torch.tensor([1.0, -0.5, -0.5])
    found = fit_calibration(shifted, truth)
    assert found.offsets == pytest.approx((-1.0, 0.5, 0.5), abs=0.15)
    assert sum(found.offsets) == pytest.approx(0, abs=1e-3)


def test_a_label_that_never_occurs_is_not_pushed_away_without_end() -> None:
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(5))
    found = fit_calibration(logits, torch.randint(0, 2, (40,), generator=torch.Generator().manual_seed(6)))
    assert all(abs(value) < 5 for value in found.offsets)


def test_no_row_chooses_its_own_calibration() -> None:
    # given logits that say nothing, and patients who are all of one label but the last
    labels = ("no", "yes")
    rows = tuple(
        ImageRow(file=str(i), label=labels[i >= 45], source="s", group=str(i // 5), part="train", sha256="")
        for i in range(50)
    )
    logits = torch.zeros(50, 2)
    told = cross_calibrated(rows, logits, labels, seed=1)
    # then the last patient's calibration knows of no such label; that of all rows does
    own = told.probabilities[45:, 1]
    assert own == pytest.approx(np.full(5, own[0]))
    found = fit_calibration(logits, torch.tensor([0] * 45 + [1] * 5))
    shifted = (logits + torch.tensor(found.offsets)) / found.temperature
    assert own[0] < float(torch.softmax(shifted, dim=1)[0, 1])
    assert told.rows == rows


def test_the_threshold_splits_what_can_be_split() -> None:
    probability = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    present = np.array([False, False, False, True, True, True])
    assert youden_threshold(probability, present) == pytest.approx(0.5)


def test_an_operating_point_reports_the_figures_at_its_threshold() -> None:
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 2, 300)
    positive = np.clip(draw.normal(0.35 + 0.3 * truth, 0.15), 0.01, 0.99)
    answers = Answers(
        labels=("no", "yes"),
        truth=truth.astype(np.int64),
        probabilities=np.stack([1 - positive, positive], axis=1),
        groups=tuple(str(i) for i in range(300)),
    )
    point = operating_points(answers, seed=1)["yes"]
    flagged = positive >= point.threshold
    assert point.sensitivity.value == pytest.approx(flagged[truth == 1].mean(), abs=1e-3)
    assert point.specificity.value == pytest.approx((~flagged[truth == 0]).mean(), abs=1e-3)
    assert point.sensitivity.low is not None
    assert point.sensitivity.low <= point.sensitivity.value
