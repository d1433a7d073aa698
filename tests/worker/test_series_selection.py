from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from dicom_node.errors import NotApplicable, UnreadablePixels
from models.contract import ImageKind
from tests.synthetic.studies import (
    CORONAL,
    SAGITTAL,
    ankle_film,
    chest_film,
    ct_series,
    enhanced_ct,
    head_ct_series,
    localizer,
    secondary_capture,
    structured_report,
    write,
)
from worker.series_selection import Selection, select_series
from worker.stored_headers import read_header

FILM, CT = ImageKind.CHEST_RADIOGRAPH, ImageKind.CHEST_CT
SILENT = {"BodyPartExamined": None, "StudyDescription": None, "SeriesDescription": None}


def code(value: str, meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return [item]


def refusal(headers: list[Dataset], kind: ImageKind) -> str:
    with pytest.raises(NotApplicable) as refused:
        select_series(headers, kind)
    return str(refused.value)


def test_a_frontal_chest_film_is_selected() -> None:
    film = chest_film()
    selection = select_series([film], FILM)
    assert selection == Selection(kind=FILM, headers=(film,), notes=())
    assert selection.series_instance_uid == film.SeriesInstanceUID
    assert selection.sop_instance_uids == (film.SOPInstanceUID,)


@pytest.mark.parametrize("body_part", ["CHEST", "THORAX", "LUNG", "CHEST_ABDOMEN", "chest"])
def test_a_body_part_with_a_chest_in_it_is_a_chest(body_part: str) -> None:
    assert select_series([chest_film(BodyPartExamined=body_part)], FILM).notes == ()


def test_another_body_part_is_refused_by_its_name() -> None:
    assert refusal([ankle_film()], FILM) == "body part is ANKLE, this model reads frontal chest films"
    assert refusal(head_ct_series(), CT) == "body part is HEAD, this model reads chest CT"


@pytest.mark.parametrize(
    "body_part", ["ABDOMEN", "TSPINE", "THORACIC SPINE", "SHOULDER", "HAND", "EXTREMITY"]
)
def test_a_body_part_outranks_every_description(body_part: str) -> None:
    assert f"body part is {body_part}," in refusal([chest_film(BodyPartExamined=body_part)], FILM)


@pytest.mark.parametrize(
    "texts",
    [
        {"SeriesDescription": "Thorax pa"},
        {"StudyDescription": "CHEST 2 VIEWS"},
        {"ProtocolName": "胸部正面"},
        {"SeriesDescription": "Rx tórax"},
        {"StudyDescription": "ОГК, грудная клетка"},
        {"AnatomicRegionSequence": code("816094009", "Chest")},
        {"BodyPartExamined": "UNKNOWN", "SeriesDescription": "CXR"},
    ],
)
def test_a_text_or_a_code_may_say_chest(texts: dict[str, Any]) -> None:
    assert select_series([chest_film(**{**SILENT, **texts})], FILM).notes == ()


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({"SeriesDescription": "KNEE AP"}, "LEG"),
        ({"SeriesDescription": "SKULL", "StudyDescription": "CHEST AND SKULL"}, "HEAD"),
        ({"StudyDescription": "腹部"}, "ABDOMEN"),
        ({"SeriesDescription": "胸椎"}, "SPINE"),
        ({"SeriesDescription": "THORACIC SPINE"}, "SPINE"),
        ({"AcquisitionDeviceProcessingDescription": "[LOWER LEG    ]"}, "LEG"),
        ({"AnatomicRegionSequence": code("70258002", "Ankle joint")}, "ANKLE"),
    ],
)
def test_a_text_or_a_code_may_say_another_part(texts: dict[str, Any], part: str) -> None:
    assert refusal([chest_film(**{**SILENT, **texts})], FILM).startswith(f"body part is {part},")


def test_a_silent_header_is_left_to_the_pixels_and_noted() -> None:
    assert select_series([chest_film(**SILENT)], FILM).notes == ("the body part is not given",)
    assert select_series(ct_series(slices=12, **SILENT), CT).notes == ("the body part is not given",)


@pytest.mark.parametrize("view", ["PA", "AP", "pa", "P-A"])
def test_frontal_views_are_read(view: str) -> None:
    assert select_series([chest_film(ViewPosition=view)], FILM).notes == ()


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({"ViewPosition": "LL"}, "lateral"),
        ({"ViewPosition": "RL"}, "lateral"),
        ({"ViewPosition": "LATERAL"}, "lateral"),
        ({"ViewPosition": "L LAT"}, "lateral"),
        ({"ViewPosition": "LLD"}, "decubitus"),
        ({"ViewPosition": "RAO"}, "oblique"),
        ({"ViewPosition": "LPO"}, "oblique"),
        ({"ViewPosition": "TANGENTIAL"}, "special"),
        ({"ViewPosition": None, "ViewCodeSequence": code("399198007", "right lateral")}, "lateral"),
        ({"ViewPosition": None, "ViewCodeSequence": code("399135007", "left anterior oblique")}, "oblique"),
        ({"ViewPosition": None, "SeriesDescription": "CHEST LATERAL"}, "lateral"),
        ({"ViewPosition": "", "SeriesDescription": "胸部 側面"}, "lateral"),
        ({"ViewPosition": None, "SeriesDescription": "CHEST", "PatientOrientation": ["A", "F"]}, "lateral"),
    ],
)
def test_other_views_are_refused_by_their_name(attributes: dict[str, Any], view: str) -> None:
    assert refusal([chest_film(**attributes)], FILM) == f"{view} view, this model reads frontal chest films"


def test_a_view_may_be_told_by_its_code() -> None:
    film = chest_film(ViewPosition=None, ViewCodeSequence=code("272479007", "postero-anterior"))
    assert select_series([film], FILM).notes == ()


def test_without_a_view_a_film_that_says_chest_is_read_and_noted() -> None:
    film = chest_film(ViewPosition=None, SeriesDescription="CHEST")
    assert "the view is not given" in select_series([film], FILM).notes[0]


def test_without_view_and_body_part_a_film_is_refused() -> None:
    film = chest_film(ViewPosition=None, **SILENT)
    assert refusal([film], FILM).startswith("neither body part nor view is given")


def test_the_best_of_several_films_is_taken() -> None:
    lateral = chest_film(number=1, ViewPosition="LL")
    unknown = chest_film(number=2, ViewPosition=None, SeriesDescription="CHEST")
    supine = chest_film(number=3, ViewPosition="AP")
    small = chest_film(number=4, size=(64, 64))
    derived = chest_film(number=5, ImageType=["DERIVED", "PRIMARY"])
    early, late = chest_film(number=6, AcquisitionTime="080000"), chest_film(number=7, AcquisitionTime="0900")
    everything = [lateral, unknown, supine, small, derived, early, late]
    for best in (late, early, small, derived, supine, unknown):
        selection = select_series(everything, FILM)
        assert selection.headers == (best,)
        readable = len(everything) - 1
        assert (f"the best of {readable} frontal films" in selection.notes) == (readable > 1)
        everything.remove(best)
    assert refusal(everything, FILM).startswith("lateral view")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "FOR PROCESSING"),
        ({"NumberOfFrames": 4}, "several frames"),
        ({"PatientSpeciesDescription": "Canis lupus familiaris"}, "not human"),
        ({"AcquisitionDeviceProcessingDescription": "FELINE THORAX"}, "not human"),
    ],
)
def test_films_that_are_no_films_for_readers_are_refused(attributes: dict[str, Any], words: str) -> None:
    assert words in refusal([chest_film(**attributes)], FILM)


def test_nothing_of_the_right_kind_says_what_there_is() -> None:
    others = [structured_report(), secondary_capture(), *ct_series(slices=1)]
    expected = "no CR or DX image in the study (there is CT, OT, SR), this model reads frontal chest films"
    assert refusal(others, FILM) == expected
    assert (
        refusal([structured_report()], CT)
        == "no CT image in the study (there is SR), this model reads chest CT"
    )
    assert refusal([], CT) == "no CT image in the study, this model reads chest CT"


def test_a_ct_series_is_selected_in_order_along_its_normal() -> None:
    series = ct_series(slices=12)
    selection = select_series([series[5], *series[6:], *series[:5]], CT)
    assert selection.headers == tuple(series)
    assert selection.notes == ()


def test_scouts_reports_and_captures_are_passed_over() -> None:
    series = ct_series(slices=12)
    study = [structured_report(), localizer(), secondary_capture(), *series]
    assert select_series(study, CT).headers == tuple(series)


def test_a_scout_within_the_series_is_left_out_and_noted() -> None:
    series = ct_series(slices=12)
    selection = select_series([localizer(series=1, SOPInstanceUID="2.25.77"), *series], CT)
    assert selection.headers == tuple(series)
    assert selection.notes[0].startswith("1 images of the series are left out")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([localizer()], "localizer"),
        (ct_series(slices=2, SeriesDescription="TOPOGRAM CHEST"), "localizer"),
        (ct_series(slices=2, SeriesDescription="CHEST PREMONITORING"), "bolus tracking"),
        (ct_series(slices=2, ImageType=["DERIVED", "SECONDARY", "MPR"]), "reformat"),
        (ct_series(slices=2, ImageType=["DERIVED", "PRIMARY", "PROJECTION IMAGE", "MIP"]), "reformat"),
        (ct_series(slices=2, ImageType=["DERIVED", "SECONDARY", "AXIAL"]), "secondary"),
        (ct_series(slices=2, orientation=SAGITTAL), "not axial (90 degrees off)"),
        (ct_series(slices=2, orientation=CORONAL), "not axial (90 degrees off)"),
        (ct_series(slices=2, ImageOrientationPatient=[1, 0, 0, 0, 0.9272, -0.3746]), "not axial (22 degrees"),
        (ct_series(slices=2, ImageOrientationPatient=None), "no valid position and orientation"),
        (ct_series(slices=2, PositionReferenceIndicator="OM", **SILENT), "body part is HEAD"),
        (ct_series(slices=2, FilterType="HEAD FILTER", **SILENT), "body part is HEAD"),
    ],
)
def test_what_is_no_axial_chest_ct_is_refused_with_a_reason(headers: list[Dataset], words: str) -> None:
    reason = refusal(headers, CT)
    assert words in reason
    assert reason.endswith(", this model reads chest CT")


def test_lossy_recompression_makes_no_reformat() -> None:
    """DERIVED\\PRIMARY\\AXIAL is an original slice that was compressed with loss (PS3.3 C.7.6.1.1.2)."""
    assert select_series(ct_series(slices=12, ImageType=["DERIVED", "PRIMARY", "AXIAL"]), CT).notes == ()


def test_a_tilted_gantry_and_a_prone_patient_are_read() -> None:
    assert select_series(ct_series(slices=12, ImageOrientationPatient=[1, 0, 0, 0, 0.9848, -0.1736]), CT)
    assert select_series(ct_series(slices=12, orientation=(-1, 0, 0, 0, -1, 0)), CT)


def test_one_slice_is_read_and_noted() -> None:
    assert select_series(ct_series(slices=1), CT).notes == ("only 1 slice: says little of the whole chest",)


def test_an_enhanced_ct_counts_its_frames() -> None:
    image = enhanced_ct(slices=12)
    assert select_series([image], CT) == Selection(kind=CT, headers=(image,), notes=())


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, SILENT),
        ({"slices": 12}, {"slices": 9}),
        ({}, {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}),
        ({"slices": 12, "thickness_mm": 5.0}, {"slices": 401, "thickness_mm": 0.5}),
        (
            {"ConvolutionKernel": "LUNG", "thickness_mm": 5.0},
            {"ConvolutionKernel": "STANDARD", "thickness_mm": 1.0},
        ),
        ({"ConvolutionKernel": "FC51"}, {"ConvolutionKernel": "FC13"}),
        ({"ConvolutionKernel": ["Bl57d", "3"]}, {"ConvolutionKernel": ["Br40d", "3"]}),
        ({"thickness_mm": 1.0}, {"thickness_mm": 5.0}),
        ({"slices": 20}, {"slices": 12}),
    ],
    ids=[
        "says chest",
        "enough",
        "original",
        "not too many",
        "lung kernel",
        "Canon",
        "Siemens",
        "thin",
        "many",
    ],
)
def test_of_two_series_the_better_is_taken(better: dict[str, Any], worse: dict[str, Any]) -> None:
    good = ct_series(series=2, **{"slices": 12, "size": 8, **better})
    poor = ct_series(series=1, **{"slices": 12, "size": 8, **worse})
    for study in ([*good, *poor], [*poor, *good]):
        assert select_series(study, CT).headers == tuple(good)


def test_slices_of_another_size_are_left_out() -> None:
    series = ct_series(slices=12, size=16)
    strays = ct_series(slices=2, size=8, study=3)
    for number, stray in enumerate(strays):
        stray.SOPInstanceUID = f"2.25.{number + 1}"
    selection = select_series([*strays, *series], CT)
    assert selection.headers == tuple(series)
    assert selection.notes[0].startswith("2 images")


def test_the_reasons_of_several_series_are_joined_most_frequent_first() -> None:
    study = [localizer(), *head_ct_series(slices=3)]
    assert refusal(study, CT).startswith("body part is HEAD; the image is a localizer (scout),")


def test_a_description_is_never_shown() -> None:
    """Free text may hold a patient's name."""
    film = chest_film(BodyPartExamined=None, StudyDescription=None, SeriesDescription="KNEE OF MR SMITH")
    assert "SMITH" not in refusal([film], FILM)


def test_a_header_is_read_without_its_pixels(tmp_path: Path) -> None:
    film = chest_film(PatientName="PHANTOM^FILM=模型^胸部")
    header = read_header(write(film, tmp_path / "film.dcm"))
    assert "PixelData" not in header
    assert header.PatientName == film.PatientName
    assert select_series([header], FILM).sop_instance_uids == (film.SOPInstanceUID,)


def test_a_file_without_header_is_unreadable(tmp_path: Path) -> None:
    text = tmp_path / "text.dcm"
    text.write_text("no DICOM")
    for path in (text, tmp_path / "missing.dcm"):
        with pytest.raises(UnreadablePixels):
            read_header(path)
