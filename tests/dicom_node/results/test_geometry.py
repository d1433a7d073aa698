"""Planes of CT images, from plain headers and from functional groups."""

import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset

from dicom_node.results.geometry import plane_of
from tests.synthetic.results_inputs import computed_radiograph, ct_series


def test_a_slice_tells_its_plane() -> None:
    plane = plane_of(ct_series()[1])
    assert plane is not None
    assert plane.position == (-160, -170, -290)
    assert (plane.spacing, plane.thickness, plane.location) == ((2.5, 2.5), 5, -290)


def test_a_frame_of_an_enhanced_ct_tells_its_plane() -> None:
    enhanced = pydicom.dcmread(
        pydicom.data.get_testdata_file("eCT_Supplemental.dcm"), stop_before_pixels=True
    )
    first, second = plane_of(enhanced, 1), plane_of(enhanced, 2)
    assert first is not None
    assert second is not None
    assert first.orientation == second.orientation
    assert second.position == (99.5, -301.5, -149.0)
    assert first.location != second.location


def test_a_film_has_no_plane() -> None:
    assert plane_of(computed_radiograph()) is None


def test_empty_geometry_is_no_geometry() -> None:
    image = ct_series()[0]
    image.PixelSpacing = None
    assert plane_of(image) is None


@pytest.mark.parametrize(
    ("cosines", "letters"),
    [
        ([1, 0, 0, 0, 1, 0], ["L", "P"]),
        ([-1, 0, 0, 0, -1, 0], ["R", "A"]),
        ([0, 1, 0, 0, 0, -1], ["P", "F"]),
        ([0.96, 0.2, 0.2, -0.2, 0.98, 0.1], ["L", "P"]),
    ],
)
def test_the_orientation_is_named_by_where_rows_and_columns_lead(
    cosines: list[float], letters: list[str]
) -> None:
    image: Dataset = ct_series()[0]
    image.ImageOrientationPatient = cosines
    plane = plane_of(image)
    assert plane is not None
    assert plane.patient_orientation == letters
