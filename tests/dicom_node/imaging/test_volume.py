from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.planes import plane_of
from dicom_node.imaging.volume import (
    MAXIMUM_PIXELS_PER_VOLUME,
    CtSlice,
    read_slice,
    read_slices,
    sorted_volume,
)
from tests.synthetic.phantoms import chest_ct_pixels
from tests.synthetic.studies import SAGITTAL, ct_series, enhanced_ct, stored_values


def test_a_slice_is_in_hounsfield_units_with_its_place() -> None:
    dataset = ct_series(slices=5, thickness_mm=2.5)[2]
    read = read_slice(dataset)
    np.testing.assert_array_equal(read.hounsfield, chest_ct_pixels(128, 360.0, 0.5, 3))
    assert read.hounsfield.dtype == np.int16
    assert read.position_mm == pytest.approx(5.0)
    assert read.spacing_mm == (360 / 128, 360 / 128)
    assert read.sop_instance_uid == dataset.SOPInstanceUID
    assert read.frame_number == 1


def test_lung_is_dark_and_bone_is_dense() -> None:
    hounsfield = read_slice(ct_series()[2]).hounsfield
    assert np.median(hounsfield[50:70, 30:45]) < -700
    assert np.median(hounsfield[85:92, 60:68]) > 300
    assert hounsfield[0, 0] < -950


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2, -2000), (0.5, 0), (-1, 0)])
def test_rescale_slope_and_intercept_are_applied(slope: float, intercept: float) -> None:
    dataset = ct_series(slices=1, RescaleSlope=slope, RescaleIntercept=intercept)[0]
    expected = np.maximum(np.rint(stored_values(dataset).astype(float) * slope + intercept), -1024)
    np.testing.assert_array_equal(read_slice(dataset).hounsfield, expected)


def test_signed_values_are_read() -> None:
    dataset = ct_series(slices=1, BitsStored=16, HighBit=15, PixelRepresentation=1, RescaleIntercept=0)[0]
    signed = chest_ct_pixels(128, 360.0, 0.5, 3)
    dataset.PixelData = signed.tobytes()
    np.testing.assert_array_equal(read_slice(dataset).hounsfield, signed)


@pytest.mark.parametrize("padding", [-2000, 63536], ids=["as SS", "as US"])
def test_padding_is_air(padding: int) -> None:
    """Writers store the same 16 bits with the one or the other VR."""
    signed = np.zeros((128, 128), dtype="<i2")
    signed[:10] = -2000
    dataset = ct_series(slices=1, BitsStored=16, PixelRepresentation=1, RescaleIntercept=0)[0]
    dataset.PixelData = signed.tobytes()
    dataset.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
    read = read_slice(dataset).hounsfield
    assert (read[:10] == -1024).all()
    assert (read[10:] == 0).all()


def test_nothing_is_thinner_than_air() -> None:
    dataset = ct_series(slices=1, RescaleIntercept=-3000)[0]
    assert read_slice(dataset).hounsfield.min() == -1024


def test_an_enhanced_ct_gives_its_frames_with_their_own_places() -> None:
    dataset = enhanced_ct(slices=4)
    read = list(read_slices(dataset))
    assert [each.frame_number for each in read] == [1, 2, 3, 4]
    assert [each.position_mm for each in read] == [15.0, 10.0, 5.0, 0.0]
    for each, original in zip(read, ct_series(study=5, slices=4)[::-1], strict=True):
        np.testing.assert_array_equal(each.hounsfield, read_slice(original).hounsfield)
    assert {each.spacing_mm for each in read} == {(2.8125, 2.8125)}
    with pytest.raises(UnreadablePixels, match="more"):
        read_slice(dataset)


def test_per_frame_groups_go_before_shared_ones() -> None:
    dataset = enhanced_ct(slices=2)
    own = enhanced_ct(slices=2).SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    own[0].RescaleIntercept = -24
    dataset.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence = own
    first, second = read_slices(dataset)
    assert first.hounsfield[0, 0] == pytest.approx(-1000, abs=50)
    assert second.hounsfield[0, 0] == pytest.approx(0, abs=50)


def test_a_volume_is_sorted_along_its_normal_whatever_the_order() -> None:
    slices = [read_slice(dataset) for dataset in ct_series(slices=6, thickness_mm=3.0)]
    forwards = sorted_volume(slices)
    backwards = sorted_volume(reversed(slices))
    assert [each.sop_instance_uid for each in forwards.slices] == [
        each.sop_instance_uid for each in backwards.slices
    ]
    assert [each.position_mm for each in forwards.slices] == [0.0, 3.0, 6.0, 9.0, 12.0, 15.0]
    assert forwards.step_mm == 3.0


def test_a_sagittal_volume_is_sorted_too() -> None:
    slices = [read_slice(dataset) for dataset in ct_series(slices=3, orientation=SAGITTAL)]
    volume = sorted_volume(slices[::-1])
    assert [each.position_mm for each in volume.slices] == sorted(each.position_mm for each in slices)
    assert volume.step_mm == 5.0
    assert volume.slices[0].plane.degrees_from_axial == pytest.approx(90)


def test_one_slice_is_a_volume_without_a_step() -> None:
    assert sorted_volume([read_slice(ct_series(slices=1)[0])]).step_mm is None


def test_slices_of_two_sizes_or_directions_are_no_volume() -> None:
    one = read_slice(ct_series(slices=1)[0])
    with pytest.raises(UnreadablePixels, match="size"):
        sorted_volume([one, read_slice(ct_series(slices=1, size=64)[0])])
    with pytest.raises(UnreadablePixels, match="direction"):
        sorted_volume([one, read_slice(ct_series(slices=1, orientation=SAGITTAL)[0])])
    with pytest.raises(UnreadablePixels, match="no slice"):
        sorted_volume([])


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"ImagePositionPatient": None}, "Image Position"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "Image Position and Orientation"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "Image Position and Orientation"),
        ({"RescaleSlope": None}, "Rescale Slope"),
        ({"RescaleSlope": 0}, "makes no sense"),
        ({"RescaleType": "Z_EFF"}, "not Hounsfield"),
        ({"PixelData": b"\0" * 100}, "less than expected"),
        ({"NumberOfFrames": 100_000}, "above the limit"),
    ],
)
def test_what_is_no_ct_slice_is_refused_with_a_reason(attributes: dict[str, object], words: str) -> None:
    with pytest.raises(UnreadablePixels, match=words):
        list(read_slices(ct_series(slices=1, **attributes)[0]))


def test_a_gantry_tilt_is_measured() -> None:
    tilted = [1.0, 0.0, 0.0, 0.0, 0.9272, -0.3746]
    plane = plane_of(ct_series(slices=1, ImageOrientationPatient=tilted)[0])
    assert plane is not None
    assert plane.degrees_from_axial == pytest.approx(22.0, abs=0.05)


def test_a_series_of_huge_empty_slices_is_stopped_at_the_limit() -> None:
    """Each decodes from a few kilobytes; a hundred of them would end the worker for want of memory."""
    empty = np.broadcast_to(np.int16(0), (8192, 8192))  # no memory
    first = read_slice(ct_series(slices=1)[0])
    decoded = 0

    def endless() -> Iterator[CtSlice]:
        nonlocal decoded
        while True:
            decoded += 1
            yield replace(first, hounsfield=empty, frame_number=decoded)

    with pytest.raises(UnreadablePixels, match="more than"):
        sorted_volume(endless())
    assert decoded == MAXIMUM_PIXELS_PER_VOLUME // empty.size + 1
