"""A partial label narrows the answer; a whole one asks for it."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.datasets.manifest import ImageRow
from models.training.recipe import PartialLabel
from models.training.sampling import TrainingSet, narrowed_cross_entropy, sampling_chances

UNSPECIFIED = PartialLabel(label="pneumonia", one_of=("bacterial", "viral"), weight=0.5)
LABELS = ("bacterial", "viral", "normal")


def _row(label: str, number: int = 0) -> ImageRow:
    return ImageRow(
        file=f"{label}{number}.png",
        label=label,
        source="a",
        group=f"{label}{number}",
        part="train",
        sha256="",
    )


def test_whole_labels_give_the_usual_smoothed_cross_entropy() -> None:
    logits = torch.randn(6, 3)
    truth = torch.tensor([0, 1, 2, 0, 1, 2])
    allowed = functional.one_hot(truth, 3).bool()
    expected = functional.cross_entropy(logits, truth, label_smoothing=0.05)
    assert float(narrowed_cross_entropy(logits, allowed, 0.05)) == pytest.approx(float(expected), abs=1e-6)


def test_a_partial_label_is_content_with_any_of_its_answers() -> None:
    allowed = torch.tensor([[True, True, False]])
    either = [torch.tensor([[9.0, 0.0, 0.0]]), torch.tensor([[0.0, 9.0, 0.0]])]
    neither = torch.tensor([[0.0, 0.0, 9.0]])
    assert all(float(narrowed_cross_entropy(logits, allowed, 0.0)) < 0.01 for logits in either)
    assert float(narrowed_cross_entropy(neither, allowed, 0.0)) > 5


def test_a_partial_label_gives_finite_gradients() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    allowed = torch.tensor([[True, True, False], [False, False, True]])
    narrowed_cross_entropy(logits, allowed, 0.05).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert float(logits.grad[0, 2]) > 0 > float(logits.grad[0, 0])


def test_rows_of_partial_labels_allow_their_answers_and_others_one() -> None:
    rows = (_row("pneumonia"), _row("viral"))
    training = TrainingSet(
        pixels=np.zeros((2, 4, 4), dtype=np.uint8), rows=rows, labels=LABELS, partial_labels=(UNSPECIFIED,)
    )
    assert training.allowed.tolist() == [[True, True, False], [False, True, False]]


def test_partial_labels_are_drawn_by_their_weight() -> None:
    rows = [_row("pneumonia", n) for n in range(4)] + [_row("viral", n) for n in range(4)]
    chances = sampling_chances(rows, balance=0.5, partial_labels=(UNSPECIFIED,))
    assert chances[:4].sum() == pytest.approx(1 / 3)
