"""Headers as they really are: what is missing stays empty, odd values do no harm, names stay as written."""

from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.results.instance import encode
from dicom_node.results.source_headers import complete_header, performed_procedure, procedure_reported
from tests.synthetic.results_inputs import (
    computed_radiograph,
    ct_series,
    digital_radiograph,
    film_outputs,
    procedure_code,
)

JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"  # PS3.5 H.3.1


def as_received(header: Dataset) -> Dataset:
    """The data set after a way over the network: raw elements, not yet decoded."""
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, header, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer, stop_before_pixels=True)


def reread(output: Dataset) -> Dataset:
    return pydicom.dcmread(BytesIO(encode(output)))


def test_a_japanese_name_arrives_byte_for_byte() -> None:
    film = digital_radiograph()
    film.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    film.PatientName = JAPANESE
    film.ReferringPhysicianName = "Isya^Hanako=医者^花子"
    for output in map(reread, film_outputs(as_received(film))):
        assert output.get_item("PatientName").value == as_received(film).get_item("PatientName").value
        assert list(output.SpecificCharacterSet) == ["", "ISO 2022 IR 87"]
        assert output.PatientName == JAPANESE


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 192", "王^小東"),
        ("ISO_IR 100", "Müller^Zoë"),
        ("ISO_IR 126", "Διονυσιος"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_a_name_keeps_the_character_set_of_its_source(character_set: str, name: str) -> None:
    film = digital_radiograph()
    film.SpecificCharacterSet, film.PatientName = character_set, name
    for output in map(reread, film_outputs(as_received(film))):
        assert (output.SpecificCharacterSet, output.PatientName) == (character_set, name)


def test_text_of_the_order_in_another_alphabet_is_kept() -> None:
    film = digital_radiograph()
    film.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    order = Dataset()
    order.RequestedProcedureDescription, order.RequestedProcedureID = "胸部", "RP1"
    film.RequestAttributesSequence = [order]
    film.ProcedureCodeSequence = [procedure_code("CXR1", "胸部単純")]
    report = reread(film_outputs(as_received(film))[0])
    assert report.ReferencedRequestSequence[0].RequestedProcedureDescription == "胸部"
    assert report.ReferencedRequestSequence[0].AccessionNumber == "ACC-dx"
    assert report.PerformedProcedureCodeSequence[0].CodeMeaning == "胸部単純"


def test_without_a_character_set_none_is_claimed() -> None:
    film = digital_radiograph()
    del film.SpecificCharacterSet
    film.PatientName = "Plain^Name"
    assert all("SpecificCharacterSet" not in reread(output) for output in film_outputs(film))


def test_missing_type_2_attributes_are_there_and_empty() -> None:
    for output in map(reread, film_outputs(as_received(computed_radiograph()))):
        assert output.PatientName == "Bare^Header"
        for keyword in (
            "PatientSex",
            "PatientBirthDate",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
        ):
            assert keyword in output
            assert not output.get(keyword)


def test_a_name_without_components_is_kept_and_warned_of_nowhere() -> None:
    film = digital_radiograph()
    film.PatientName = "Mononymous"
    assert [output.PatientName for output in map(reread, film_outputs(film))] == ["Mononymous"] * 2


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_date_that_cannot_be_parsed_is_kept_as_written() -> None:
    film = digital_radiograph()
    film.StudyDate, film.PatientBirthDate, film.StudyTime = "UNKNOWN", "1970/1", "noon"
    for output in map(reread, film_outputs(film)):
        assert (output.StudyDate, output.PatientBirthDate, output.StudyTime) == ("UNKNOWN", "1970/1", "noon")


def test_a_sex_that_the_standard_does_not_know_is_left_empty() -> None:
    film = digital_radiograph()
    film.add_new("PatientSex", "CS", "FEMALE")
    assert [output.PatientSex for output in film_outputs(film)] == ["", ""]


def test_a_removed_identity_says_how_even_if_the_source_did_not() -> None:
    film = digital_radiograph()
    film.PatientIdentityRemoved = "YES"
    assert complete_header(film).DeidentificationMethod == "not told by the source"
    film.DeidentificationMethod = "by hand"
    assert complete_header(film).DeidentificationMethod == "by hand"


def test_pixels_and_private_elements_stay_behind() -> None:
    film = digital_radiograph()
    film.PixelData = b"\0\0"
    film.private_block(0x0011, "VENDOR", create=True).add_new(0x01, "LO", "secret")
    header = complete_header(film)
    assert "PixelData" not in header
    assert not [element for element in header if element.tag.is_private]
    assert "PixelData" in film


def test_the_site_s_own_procedure_is_reported() -> None:
    film = digital_radiograph()
    film.ProcedureCodeSequence = [procedure_code("CXR1", "Chest film")]
    header = complete_header(film)
    assert procedure_reported(header) == performed_procedure(header)
    assert procedure_reported(header).meaning == "Chest film"


@pytest.mark.parametrize("code", [procedure_code("", "no code"), procedure_code("CXR1", ""), Dataset()])
def test_a_procedure_that_cannot_be_written_again_is_not(code: Dataset) -> None:
    film = digital_radiograph()
    film.ProcedureCodeSequence = [code]
    assert procedure_reported(complete_header(film)).meaning == "Imaging procedure"
    assert performed_procedure(complete_header(film)).meaning == "XR unspecified body region"


def test_a_ct_without_a_procedure_is_said_to_be_a_ct() -> None:
    assert procedure_reported(complete_header(ct_series(1)[0])).value == "25045-6"
