"""The shipped gates on real DICOM: chests pass, what is no chest is refused.

Gates without a trial in their card (weights 0.1.0) are older than what is asked here.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from pydicom.data import get_testdata_file

from dicom_node.imaging.radiograph import read_radiograph
from dicom_node.imaging.volume import CtSlice, read_slice
from models.catalog import load
from models.chest_gate import judge_slices
from models.contract import FloatArray, GateVerdict, ImageKind, ModelCard
from models.installation import installed
from models.lung_field import shows_lung
from models.preprocessing import prepare_grey

DATA = Path(os.environ.get("DICOM_NODE_DATA_DIR") or Path(__file__).resolve().parents[3] / "shared" / "data")
CHEST_SERIES = DATA / "dicom" / "OHIF__viewer-testdata-dicomweb" / "nlst_chest_ct"
FLAT_FIELD = DATA / "dicom" / "OHIF__viewer-testdata-dicomweb" / "dx_thorax" / "0001.dcm"
DOG = DATA / "dicom" / "ImagingDataCommons__highdicom" / "dx" / "dx_image.dcm"
needs_data = pytest.mark.skipif(not CHEST_SERIES.is_dir(), reason=f"no real DICOM at {DATA}")

LEG, CHEST = "RG3_UNCR.dcm", "RG1_UNCR.dcm"
NO_FILMS = {
    "a leg with its ankle": LEG,
    "a shoulder by MR": "MR2_UNCR.dcm",
    "a bone scan": "JPEG-LL.dcm",
    "a head by CT": "693_UNCR.dcm",
    "a test pattern": "vlut_04.dcm",
    "a heart by ultrasound": "JPGLosslessP14SV1_1s_1f_8b.dcm",
}
HEADS = {"a head": "693_UNCR.dcm", "a skull base": "J2K_pixelrep_mismatch.dcm"}
ABDOMEN = "explicit_VR-UN.dcm"


def _for_each(kind: ImageKind) -> pytest.MarkDecorator:
    cards = [card for card in installed() if card.kind is kind and card.gate and card.gate.families]
    assert cards, f"no installed model of {kind.value} has a gate that was tried"
    return pytest.mark.parametrize("card", cards, ids=lambda card: card.name)


film_models = _for_each(ImageKind.CHEST_RADIOGRAPH)
slice_models = _for_each(ImageKind.CHEST_CT)


@cache
def _judge_of(name: str, version: str) -> Callable[[FloatArray], GateVerdict]:
    card = next(card for card in installed() if (card.name, card.version) == (name, version))
    classifier = load(card)

    @torch.inference_mode()
    def judge(pixels: FloatArray) -> GateVerdict:
        assert classifier.gate is not None
        explained = classifier.engine.run(prepare_grey(torch.from_numpy(pixels)[None], card.preprocessing))
        return classifier.gate.judge(pixels, explained.pooled[0], explained.logits[0])

    return judge


def _judge(card: ModelCard, pixels: npt.NDArray[np.float32]) -> GateVerdict:
    return _judge_of(card.name, card.version)(np.ascontiguousarray(pixels))


@cache
def _film(name: str) -> FloatArray:
    path = Path(name) if Path(name).is_absolute() else get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    return read_radiograph(pydicom.dcmread(path)).pixels


def _slice(name: str) -> CtSlice:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    return read_slice(pydicom.dcmread(path))


@film_models
def test_a_chest_film_passes(card: ModelCard) -> None:
    verdict = _judge(card, _film(CHEST))
    assert verdict.passed, verdict.reason


@film_models
@pytest.mark.parametrize("name", NO_FILMS.values(), ids=NO_FILMS)
def test_what_is_no_chest_film_is_refused(card: ModelCard, name: str) -> None:
    assert not _judge(card, _film(name)).passed


@film_models
@pytest.mark.parametrize(
    ("way", "turned"),
    [
        ("inverted", lambda film: 1 - film),
        ("upside down", lambda film: film[::-1]),
        ("turned to the left", np.rot90),
        ("turned to the right", lambda film: np.rot90(film, -1)),
    ],
)
def test_a_chest_film_shown_wrongly_is_refused(
    card: ModelCard, way: str, turned: Callable[[FloatArray], FloatArray]
) -> None:
    verdict = _judge(card, turned(_film(CHEST)))
    assert not verdict.passed
    assert way in verdict.reason


@film_models
def test_a_photograph_is_refused(card: ModelCard) -> None:
    with get_sample_data("grace_hopper.jpg") as stream, Image.open(stream) as photograph:
        pixels = np.asarray(photograph.convert("L"), dtype=np.float32) / np.float32(255)
    assert not _judge(card, pixels).passed


@needs_data
@film_models
@pytest.mark.parametrize("path", [FLAT_FIELD, DOG], ids=["a flat field", "a dog"])
def test_what_the_header_calls_a_thorax_is_refused_by_its_pixels(card: ModelCard, path: Path) -> None:
    assert not _judge(card, _film(str(path))).passed


@needs_data
@slice_models
def test_the_slices_of_a_chest_ct_that_show_lung_pass(card: ModelCard) -> None:
    slices = [read_slice(pydicom.dcmread(path)) for path in sorted(CHEST_SERIES.glob("*.dcm"))[::8]]
    lung = [one for one in slices if one.spacing_mm and shows_lung(one.hounsfield, one.spacing_mm)]
    verdict = judge_slices([_judge(card, _windowed(card, one.hounsfield)) for one in lung])
    assert len(lung) >= 10
    assert verdict.passed, verdict.reason


@slice_models
@pytest.mark.parametrize("name", HEADS.values(), ids=HEADS)
def test_a_slice_of_a_head_is_refused(card: ModelCard, name: str) -> None:
    assert not _judge(card, _windowed(card, _slice(name).hounsfield)).passed


@slice_models
def test_a_slice_of_an_abdomen_does_not_get_past_lung_field_and_gate(card: ModelCard) -> None:
    abdomen = _slice(ABDOMEN)
    assert abdomen.spacing_mm is not None
    lung = shows_lung(abdomen.hounsfield, abdomen.spacing_mm)
    assert not (lung and _judge(card, _windowed(card, abdomen.hounsfield)).passed)


@slice_models
def test_a_chest_film_shown_as_a_slice_is_refused(card: ModelCard) -> None:
    assert not _judge(card, _film(CHEST)).passed


def _windowed(card: ModelCard, hounsfield: npt.NDArray[np.int16]) -> FloatArray:
    window = card.preprocessing.window
    assert window is not None
    shown = (hounsfield.astype(np.float32) - window.lowest) / (window.highest - window.lowest)
    return np.clip(shown, 0, 1).astype(np.float32)
