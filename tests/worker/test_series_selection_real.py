"""Which of the real images are read: the headers of pydicom-data and of DICOM_NODE_DATA_DIR."""

import os
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file

from dicom_node.errors import NotApplicable
from models.contract import ImageKind
from worker.series_selection import select_series
from worker.stored_headers import read_header

ROOT = Path(__file__).parents[2]
DICOM = Path(os.environ.get("DICOM_NODE_DATA_DIR", ROOT.parent / "shared" / "data")) / "dicom"
FILM, CT = ImageKind.CHEST_RADIOGRAPH, ImageKind.CHEST_CT

needs_data = pytest.mark.skipif(
    not DICOM.is_dir(), reason=f"{DICOM} is absent; DICOM_NODE_DATA_DIR says where the images are"
)


def header_of(name: str) -> Dataset:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"{name} needs the package pydicom-data")
    return read_header(Path(str(found)))


@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG1_J2KI.dcm", "RG1_UNCR.dcm", "RG1_J2KR.dcm"])
def test_the_chest_film_is_read(name: str) -> None:
    assert select_series([header_of(name)], FILM).notes == ()


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("RG3_UNCI.dcm", FILM, "body part is EXTREMITY, this model reads frontal chest films"),
        ("693_UNCI.dcm", CT, "body part is HEAD, this model reads chest CT"),
        ("693_UNCR.dcm", CT, "body part is HEAD, this model reads chest CT"),
        ("eCT_Supplemental.dcm", CT, "body part is HEAD, this model reads chest CT"),
        ("US1_UNCI.dcm", CT, "no CT image in the study (there is US), this model reads chest CT"),
        ("RG1_UNCI.dcm", CT, "no CT image in the study (there is CR), this model reads chest CT"),
    ],
)
def test_what_is_no_chest_is_refused(name: str, kind: ImageKind, reason: str) -> None:
    with pytest.raises(NotApplicable) as refused:
        select_series([header_of(name)], kind)
    assert str(refused.value) == reason


def test_one_slice_without_a_body_part_is_left_to_the_pixels() -> None:
    notes = select_series([header_of("CT_small.dcm")], CT).notes
    assert notes == ("only 1 slice: says little of the whole chest", "the body part is not given")


@needs_data
def test_the_whole_chest_ct_is_read_from_the_feet_to_the_head() -> None:
    folder = DICOM / "OHIF__viewer-testdata-dicomweb" / "nlst_chest_ct"
    selection = select_series([read_header(path) for path in sorted(folder.glob("*.dcm"))], CT)
    heights = [header.ImagePositionPatient[2] for header in selection.headers]
    assert len(heights) == 143
    assert heights == sorted(heights)
    assert selection.notes == ()


@needs_data
@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("OHIF__viewer-testdata-dicomweb/dx_thorax/0001.dcm", "the view is not given"),
        ("pydicom__pydicom-data/cr_thorax/RG1_J2KI.dcm", ""),
    ],
)
def test_chest_films_are_read(path: str, note: str) -> None:
    notes = select_series([read_header(DICOM / path)], FILM).notes
    assert "; ".join(notes).startswith(note)
    assert len(notes) == (1 if note else 0)


@needs_data
@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("ImagingDataCommons__highdicom/dx/dx_image.dcm", FILM, "the patient is not human"),
        ("pydicom__pydicom/odd/J2K_pixelrep_mismatch.dcm", CT, "body part is HEAD"),
    ],
)
def test_a_dog_and_a_head_are_refused(path: str, kind: ImageKind, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        select_series([read_header(DICOM / path)], kind)
