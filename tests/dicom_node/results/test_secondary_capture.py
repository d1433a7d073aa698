"""Heat maps as objects: where they stand, what they come from, what they claim."""

from dataclasses import replace

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage, SecondaryCaptureImageStorage

from dicom_node.domain.finding import Condition
from dicom_node.results.rendering import blend
from dicom_node.results.secondary_capture import LONGEST_SIDE, build_radiograph_heatmap, build_volume_heatmap
from tests.synthetic.results_inputs import (
    computed_radiograph,
    ct_context,
    ct_outputs,
    ct_series,
    digital_radiograph,
    film_context,
    film_outputs,
    hot_spot,
    picture,
)


def heatmap_of(film: Dataset, rows: int, columns: int) -> Dataset:
    return build_radiograph_heatmap(
        film_context(film), pixels=picture(rows, columns), saliency=hot_spot(rows, columns)
    )


def test_a_film_is_shown_pixel_by_pixel_with_a_caption_below() -> None:
    _, heatmap = film_outputs(digital_radiograph(240, 200))
    assert heatmap.SOPClassUID == SecondaryCaptureImageStorage
    assert (heatmap.Columns, heatmap.SamplesPerPixel, heatmap.PhotometricInterpretation) == (200, 3, "RGB")
    shown = heatmap.pixel_array[:240]
    assert np.array_equal(shown, blend(picture(240, 200), hot_spot(240, 200)))
    assert heatmap.SourceImageSequence[0].SpatialLocationsPreserved == "YES"


def test_a_large_film_is_made_smaller_and_says_so() -> None:
    heatmap = heatmap_of(computed_radiograph(3000, 2500), 3000, 2500)
    assert heatmap.Columns == 853
    assert LONGEST_SIDE < heatmap.Rows < 1.25 * LONGEST_SIDE
    assert heatmap.SourceImageSequence[0].SpatialLocationsPreserved == "NO"
    assert len(heatmap.PixelData) < 4_000_000


def test_pixels_that_were_already_made_smaller_are_no_source_grid() -> None:
    heatmap = heatmap_of(digital_radiograph(480, 400), 240, 200)
    assert heatmap.SourceImageSequence[0].SpatialLocationsPreserved == "NO"


def test_a_projection_claims_no_place_in_the_patient() -> None:
    _, heatmap = film_outputs(digital_radiograph())
    assert not {"FrameOfReferenceUID", "PixelSpacing", "ImagePositionPatient"} & set(heatmap.dir())
    assert list(heatmap.PatientOrientation) == ["L", "F"]


def test_a_heat_map_belongs_to_the_study_and_names_its_source() -> None:
    film = digital_radiograph()
    _, heatmap = film_outputs(film)
    assert heatmap.StudyInstanceUID == film.StudyInstanceUID
    assert heatmap.SeriesInstanceUID != film.SeriesInstanceUID
    assert heatmap.Modality == "OT"
    assert heatmap.PatientID == film.PatientID
    assert heatmap.SourceImageSequence[0].ReferencedSOPInstanceUID == film.SOPInstanceUID
    assert heatmap.ReferencedSeriesSequence[0].SeriesInstanceUID == film.SeriesInstanceUID
    assert "NOT FOR DIAGNOSTIC USE" in heatmap.DerivationDescription


def test_the_condition_that_is_explained_can_be_another_than_the_most_probable() -> None:
    film = digital_radiograph()
    context = replace(film_context(film), explained_condition=Condition.COVID19)
    heatmap = build_radiograph_heatmap(context, pixels=picture(240, 200), saliency=hot_spot(240, 200))
    assert "COVID-19 pneumonia" in heatmap.DerivationDescription


@pytest.mark.parametrize(("told", "expected"), [("YES", "YES"), ("NO", "NO"), (None, None)])
def test_burned_in_identity_of_the_source_stays_told(told: str | None, expected: str | None) -> None:
    film = computed_radiograph()
    if told is not None:
        film.BurnedInAnnotation = told
    assert film_outputs(film)[1].get("BurnedInAnnotation") == expected


def test_lossy_compression_of_the_source_stays_told() -> None:
    film = computed_radiograph()
    film.LossyImageCompression, film.LossyImageCompressionRatio = "01", 12.5
    film.LossyImageCompressionMethod = "ISO_10918_1"
    _, heatmap = film_outputs(film)
    assert (heatmap.LossyImageCompression, heatmap.LossyImageCompressionRatio) == ("01", 12.5)
    assert film_outputs(digital_radiograph())[1].LossyImageCompression == "00"


def test_a_ct_heat_map_lies_where_its_slices_lie() -> None:
    series = ct_series()
    _, heatmap = ct_outputs(series)
    assert heatmap.SOPClassUID == MultiFrameTrueColorSecondaryCaptureImageStorage
    assert heatmap.NumberOfFrames == 3
    assert heatmap.FrameOfReferenceUID == series[0].FrameOfReferenceUID
    positions = [
        list(group.PlanePositionSequence[0].ImagePositionPatient)
        for group in heatmap.PerFrameFunctionalGroupsSequence
    ]
    assert positions == [list(series[place].ImagePositionPatient) for place in (3, 4, 2)]
    sources = [item.ReferencedSOPInstanceUID for item in heatmap.SourceImageSequence]
    assert sources == [series[place].SOPInstanceUID for place in (3, 4, 2)]
    assert list(heatmap.FrameLabelVector) == ["Image 4", "Image 5", "Image 3"]
    assert list(heatmap.PatientOrientation) == ["L", "P"]
    assert np.array_equal(heatmap.pixel_array[0][:128], blend(picture(128, 128), hot_spot(128, 128)))


@pytest.mark.parametrize("missing", ["FrameOfReferenceUID", "ImagePositionPatient", "PixelSpacing"])
def test_a_ct_that_does_not_tell_its_place_gets_none(missing: str) -> None:
    series = ct_series()
    for image in series:
        delattr(image, missing)
    _, heatmap = ct_outputs(series)
    assert "PerFrameFunctionalGroupsSequence" not in heatmap
    assert "FrameOfReferenceUID" not in heatmap
    assert heatmap.NumberOfFrames == 3


def test_frames_of_an_enhanced_ct_are_named_and_placed() -> None:
    enhanced = pydicom.dcmread(
        pydicom.data.get_testdata_file("eCT_Supplemental.dcm"), stop_before_pixels=True
    )
    heatmap = build_volume_heatmap(
        ct_context([enhanced]),
        pixels=np.stack([picture(512, 512)] * 2),
        saliency=np.stack([hot_spot(512, 512)] * 2),
        sources=[enhanced, enhanced],
        source_frames=[2, 1],
    )
    assert [item.ReferencedFrameNumber for item in heatmap.SourceImageSequence] == [2, 1]
    assert len(heatmap.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 1
    first = heatmap.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert list(first.ImagePositionPatient) == [99.5, -301.5, -149]


def test_a_single_key_slice_needs_no_frame_increment() -> None:
    series = ct_series(1)
    heatmap = build_volume_heatmap(
        ct_context(series),
        pixels=picture(128, 128)[np.newaxis],
        saliency=hot_spot(128, 128)[np.newaxis],
        sources=series,
    )
    assert heatmap.NumberOfFrames == 1
    assert not {"FrameIncrementPointer", "FrameLabelVector", "SliceLocationVector"} & set(heatmap.dir())


def test_what_does_not_fit_together_is_refused() -> None:
    series, film = ct_series(2), digital_radiograph()
    context = ct_context(series)
    flat, stack = picture(128, 128), np.stack([picture(128, 128)] * 2)
    many, half = np.zeros((17, 8, 8), np.float32), stack[:, ::2, ::2]
    with pytest.raises(ValueError, match="one 2-D grid"):
        build_radiograph_heatmap(film_context(film), pixels=flat, saliency=hot_spot(64, 64))
    with pytest.raises(ValueError, match="finite"):
        build_radiograph_heatmap(film_context(film), pixels=flat, saliency=np.full_like(flat, np.nan))
    with pytest.raises(ValueError, match="which one"):
        build_radiograph_heatmap(context, pixels=flat, saliency=flat)
    with pytest.raises(ValueError, match="each with its source"):
        build_volume_heatmap(context, pixels=stack, saliency=stack, sources=series[:1])
    with pytest.raises(ValueError, match="1 to 16 frames"):
        build_volume_heatmap(context, pixels=many, saliency=many, sources=series[:1] * 17)
    with pytest.raises(ValueError, match="pixel grid"):
        build_volume_heatmap(context, pixels=half, saliency=half, sources=series)
    with pytest.raises(ValueError, match="each one"):
        build_volume_heatmap(context, pixels=stack, saliency=stack, sources=series, source_frames=[1])
