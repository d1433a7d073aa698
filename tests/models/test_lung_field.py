"""Slices that show lung are told from heads, limbs, bellies and empty air."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.data import get_testdata_file

from models.errors import UnusableInput
from models.lung_field import LungField, lung_field, lung_fraction, shows_lung

Slice = npt.NDArray[np.int16]
DATA = Path(os.environ.get("DICOM_NODE_DATA_DIR") or Path(__file__).resolve().parents[3] / "shared" / "data")
SERIES = DATA / "dicom" / "OHIF__viewer-testdata-dicomweb" / "nlst_chest_ct"


def _ellipse(
    shape: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float]
) -> npt.NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 <= 1


def _thorax(left: int = -850, right: int = -850) -> Slice:
    """A body 300 mm wide at 1 mm with two lungs."""
    hu = np.full((400, 400), -1000, dtype=np.int16)
    hu[_ellipse(hu.shape, (200, 200), (110, 150))] = 40
    hu[_ellipse(hu.shape, (200, 130), (70, 50))] = left
    hu[_ellipse(hu.shape, (200, 270), (70, 50))] = right
    return hu


def _hounsfield(path: str | Path) -> tuple[Slice, tuple[float, float], float]:
    dataset = pydicom.dcmread(path)
    hu = dataset.pixel_array.astype(np.float32) * float(dataset.RescaleSlope) + float(
        dataset.RescaleIntercept
    )
    row_mm, column_mm = (float(v) for v in dataset.PixelSpacing)
    position = float(dataset.get("ImagePositionPatient", [0, 0, 0])[2])
    return np.clip(hu, -32768, 32767).astype(np.int16), (row_mm, column_mm), position


def test_a_thorax_shows_lung_of_the_drawn_area() -> None:
    field = lung_field(_thorax(), (1.0, 1.0))
    drawn = 2 * np.pi * 70 * 50
    assert field.shows_lung
    assert field.area_mm2 == pytest.approx(drawn, rel=0.05)
    assert field.left_mm2 == pytest.approx(field.right_mm2, rel=0.02)
    assert lung_fraction(_thorax(), (1.0, 1.0)) == pytest.approx(drawn / (np.pi * 110 * 150), rel=0.05)


def test_one_white_lung_is_no_reason_to_drop_what_is_left_of_it() -> None:
    half_white = _thorax()
    half_white[_ellipse(half_white.shape, (220, 130), (50, 50))] = 20
    assert shows_lung(half_white, (1.0, 1.0))


@pytest.mark.parametrize(
    ("name", "hu"),
    [
        ("air", np.full((200, 200), -1000, dtype=np.int16)),
        ("water", np.zeros((200, 200), dtype=np.int16)),
        ("padding", np.full((200, 200), -2000, dtype=np.int16)),
        ("gas in one bowel", _thorax(left=-1000, right=40)),
        ("gas in two bowels", _thorax(left=-1010, right=-1010)),
        ("lung on one side only", _thorax(left=40)),
    ],
)
def test_what_is_no_chest_shows_no_lung(name: str, hu: Slice) -> None:
    assert not shows_lung(hu, (1.0, 1.0)), name


def test_the_same_picture_of_a_small_thing_shows_no_lung() -> None:
    assert not shows_lung(_thorax(), (0.2, 0.2))


def test_a_head_does_not_count_its_sinuses() -> None:
    path = get_testdata_file("693_UNCR.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    hu, spacing_mm, _ = _hounsfield(path)
    field = lung_field(hu, spacing_mm)
    assert field.body_mm2 > 10_000
    assert not field.shows_lung


def test_a_pancreas_slice_with_bowel_gas_shows_no_lung() -> None:
    path = get_testdata_file("explicit_VR-UN.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    hu, spacing_mm, _ = _hounsfield(path)
    assert not shows_lung(hu, spacing_mm)


@pytest.mark.skipif(not SERIES.is_dir(), reason=f"no chest CT series at {SERIES}")
def test_a_real_chest_shows_lung_on_one_unbroken_run_of_slices() -> None:
    fields: dict[float, LungField] = {}
    for path in sorted(SERIES.glob("*.dcm"))[::2]:
        hu, spacing_mm, position = _hounsfield(path)
        fields[position] = lung_field(hu, spacing_mm)
    shown = [fields[position].shows_lung for position in sorted(fields)]
    assert sum(1 for a, b in pairwise(shown) if a != b) == 2
    assert not shown[0]
    assert not shown[-1]
    assert 50 <= sum(shown) <= 65


def test_an_array_that_is_no_slice_is_refused() -> None:
    with pytest.raises(UnusableInput):
        lung_field(np.zeros((2, 8, 8), dtype=np.int16), (1.0, 1.0))
    with pytest.raises(UnusableInput):
        lung_field(np.zeros((8, 8), dtype=np.int16), (0.0, 1.0))
