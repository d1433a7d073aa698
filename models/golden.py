"""A made picture that weights must answer as they did when they shipped, all the way to the logits."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.contract import GoldenPrediction, ImageKind, ModelCard
from models.engines import Engine
from models.errors import AnswerChanged
from models.preprocessing import prepare_radiograph, prepare_slices

SEED = 20210
TOLERANCE = 2e-3
"""Of a logit. Engines and processors were seen to differ by less than a tenth of it."""
_CELLS, _CELL_ROWS, _CELL_COLUMNS = 16, 20, 24
_LOWEST_HU, _HIGHEST_HU = -1200, 400


def golden_prediction(card: ModelCard, engine: Engine, seed: int = SEED) -> GoldenPrediction:
    """Return what a model answers to the picture of a seed, to be kept in its manifest."""
    logits = engine.run(_prepared(card, seed)).logits[0]
    return GoldenPrediction(
        input_seed=seed,
        logits={label: round(float(v), 6) for label, v in zip(card.labels, logits, strict=True)},
        tolerance=TOLERANCE,
    )


def check_golden_prediction(card: ModelCard, engine: Engine) -> None:
    """Check that a model answers as its manifest promises; one without a promise passes.

    Raises
    ------
    AnswerChanged
        A logit differs by more than the tolerance.
    """
    if card.golden is None:
        return
    found = golden_prediction(card, engine, card.golden.input_seed).logits
    for label, expected in card.golden.logits.items():
        if not abs(found[label] - expected) <= card.golden.tolerance:
            raise AnswerChanged(card.weights, label=label, expected=expected, found=found[label])


@torch.inference_mode()
def _prepared(card: ModelCard, seed: int) -> Tensor:
    picture = golden_picture(seed)
    match card.kind:
        case ImageKind.CHEST_RADIOGRAPH:
            return prepare_radiograph(picture, card.preprocessing)
        case ImageKind.CHEST_CT:
            hounsfield = _LOWEST_HU + picture * (_HIGHEST_HU - _LOWEST_HU)
            return prepare_slices(hounsfield.astype(np.int16)[None], card.preprocessing)


def golden_picture(seed: int) -> npt.NDArray[np.float32]:
    """Return grey cells with a little noise, (320, 384) float32 in [0, 1]: no chest, the same everywhere."""
    generator = np.random.default_rng(seed)
    cells = generator.random((_CELLS, _CELLS), dtype=np.float32)
    grey = cells.repeat(_CELL_ROWS, axis=0).repeat(_CELL_COLUMNS, axis=1)
    noise = generator.random(grey.shape, dtype=np.float32)
    picture: npt.NDArray[np.float32] = np.float32(0.9) * grey + np.float32(0.1) * noise
    return picture
