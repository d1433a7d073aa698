"""The weights that ship: intact, described, and honest about what they were shown."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_voi_lut

from models.catalog import card_named, installed, load, load_engine, verify
from models.classifiers import RadiographClassifier, SliceClassifier
from models.contract import ImageKind, ModelCard
from models.defaults import DEFAULT_MODELS
from models.evaluation.predictions import RECORDED, read_predictions
from models.golden import check_golden_prediction
from models.lung_field import shows_lung
from models.model_card import markdown

FILM_MODEL = DEFAULT_MODELS[ImageKind.CHEST_RADIOGRAPH]
SLICE_MODEL = DEFAULT_MODELS[ImageKind.CHEST_CT]
DATA = Path(os.environ.get("DICOM_NODE_DATA_DIR") or Path(__file__).resolve().parents[3] / "shared" / "data")
SERIES = DATA / "dicom" / "OHIF__viewer-testdata-dicomweb" / "nlst_chest_ct"
MOST_SHIPPED_MB = 70


@cache
def _film_classifier() -> RadiographClassifier:
    classifier = load(card_named(FILM_MODEL))
    assert isinstance(classifier, RadiographClassifier)
    return classifier


@cache
def _slice_classifier() -> SliceClassifier:
    classifier = load(card_named(SLICE_MODEL))
    assert isinstance(classifier, SliceClassifier)
    return classifier


def _film(name: str) -> npt.NDArray[np.float32]:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    dataset = pydicom.dcmread(path)
    values = apply_voi_lut(dataset.pixel_array, dataset).astype(np.float32)
    scaled = (values - values.min()) / (values.max() - values.min())
    return scaled if dataset.PhotometricInterpretation == "MONOCHROME2" else 1 - scaled


def _slice(path: Path) -> tuple[npt.NDArray[np.int16], tuple[float, float]]:
    dataset = pydicom.dcmread(path)
    hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    row_mm, column_mm = (float(v) for v in dataset.PixelSpacing)
    return hu.astype(np.int16), (row_mm, column_mm)


@pytest.mark.parametrize("card", installed(), ids=lambda card: card.name)
def test_shipped_weights_are_intact_and_their_card_is_the_manifest_s(card: ModelCard) -> None:
    verify(card)
    assert (card.folder / "MODEL_CARD.md").read_text(encoding="utf-8") == markdown(card)
    assert "Research use only" in card.intended_use


@pytest.mark.parametrize("card", installed(), ids=lambda card: card.name)
def test_shipped_weights_have_a_graph_and_keep_their_golden_answer(card: ModelCard) -> None:
    assert card.graph_sha256 is not None
    verify(card)
    check_golden_prediction(card, load_engine(card))


@pytest.mark.parametrize("card", [c for c in installed() if c.training.validation_seen], ids=lambda c: c.name)
def test_refitted_weights_bring_the_answers_of_the_run_that_was_judged(card: ModelCard) -> None:
    recorded = read_predictions(card.folder / RECORDED)
    assert len(recorded.rows) == card.training.validation_rows == card.validation.rows
    assert recorded.labels == card.labels


def test_the_defaults_ship_and_all_stays_small() -> None:
    assert {FILM_MODEL, SLICE_MODEL} <= {card.name for card in installed()}
    assert sum(card.weights.stat().st_size for card in installed()) < MOST_SHIPPED_MB * 1e6


@pytest.mark.parametrize("name", [FILM_MODEL, SLICE_MODEL])
def test_the_shipped_model_beats_chance_on_held_out_groups(name: str) -> None:
    card = card_named(name)
    assert card.validation.balanced_accuracy is not None
    assert card.validation.balanced_accuracy.low is not None
    assert card.validation.balanced_accuracy.low > 1 / len(card.labels)


def test_a_real_chest_film_passes_the_gate_and_is_read() -> None:
    pixels = _film("RG1_UNCR.dcm")
    prediction = _film_classifier().classify(pixels)
    assert prediction.gate.passed, prediction.gate.reason
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.saliency.shape == pixels.shape


def test_the_same_film_is_read_the_same_again() -> None:
    pixels = _film("RG1_UNCR.dcm")
    first, again = _film_classifier().classify(pixels), _film_classifier().classify(pixels)
    assert np.array_equal(first.logits, again.logits)
    assert np.array_equal(first.saliency, again.saliency)


@pytest.mark.parametrize("polarity", ["as sent", "inverted"])
def test_a_leg_is_refused_in_either_polarity(polarity: str) -> None:
    pixels = _film("RG3_UNCR.dcm")
    verdict = _film_classifier().classify(pixels if polarity == "as sent" else 1 - pixels).gate
    assert not verdict.passed
    assert verdict.reason


def test_an_inverted_chest_noise_and_nothing_are_refused() -> None:
    classifier = _film_classifier()
    assert "inverted" in classifier.classify(1 - _film("RG1_UNCR.dcm")).gate.reason
    assert not classifier.classify(np.random.default_rng(1).random((300, 300), dtype=np.float32)).gate.passed
    assert "blank" in classifier.classify(np.full((300, 300), 0.5, dtype=np.float32)).gate.reason


@pytest.mark.skipif(not SERIES.is_dir(), reason=f"no chest CT series at {SERIES}")
def test_a_real_chest_ct_is_read_slice_by_slice() -> None:
    slices = [
        hu for hu, spacing_mm in map(_slice, sorted(SERIES.glob("*.dcm"))[::6]) if shows_lung(hu, spacing_mm)
    ]
    prediction = _slice_classifier().classify(np.stack(slices))
    assert len(slices) >= 15
    assert prediction.slice_probabilities.shape == (len(slices), 3)
    assert prediction.saliency.shape == (len(prediction.key_slices), 512, 512)
    assert float(prediction.saliency.max()) <= 1
