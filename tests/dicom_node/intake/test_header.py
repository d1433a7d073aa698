"""Headers as peers write them: odd lengths, odd character sets, hostile values."""

from pathlib import Path

import pytest

from dicom_node.domain.study import InstanceHeader
from dicom_node.errors import InstanceRefused
from dicom_node.intake.header import read_header
from tests.peers.sender import EXPLICIT
from tests.synthetic.studies import chest_film, part10

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def read(folder: Path, whole: bytes) -> InstanceHeader:
    part = folder / "offered.part"
    part.write_bytes(whole)
    return read_header(part, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT).instance


def test_texts_are_read_in_their_character_set(tmp_path: Path) -> None:
    utf8 = chest_film(PatientName="MÜLLER^JÖRG", SpecificCharacterSet="ISO_IR 192")
    latin = chest_film(PatientName="MÜLLER^JÖRG", SpecificCharacterSet="ISO_IR 100")
    assert read(tmp_path, part10(utf8)).patient_name == "MÜLLER^JÖRG"
    assert read(tmp_path, part10(latin)).patient_name == "MÜLLER^JÖRG"


def test_an_unknown_character_set_refuses_nothing(tmp_path: Path) -> None:
    film = part10(chest_film(SpecificCharacterSet="ISO_IR 100")).replace(b"ISO_IR 100", b"ISO_IR 9x9")
    assert read(tmp_path, film).study_instance_uid == chest_film().StudyInstanceUID


def test_what_the_database_would_not_take_is_cut(tmp_path: Path) -> None:
    film = chest_film(PatientComments="filler")
    film.add_new("StudyDescription", "LO", "x" * 64)
    whole = part10(film).replace(b"x" * 64, b"y" * 20 + b"\0" * 24 + b"z" * 20)
    assert read(tmp_path, whole).study_description == "y" * 20 + "z" * 20


def test_what_a_terminal_would_obey_is_replaced(tmp_path: Path) -> None:
    whole = part10(chest_film(PatientName="PHANTOM^SYNTHETIC")).replace(b"PHANTOM^SY", b"PH\x1b[2J^\n\x07S")
    assert read(tmp_path, whole).patient_name == "PH\ufffd[2J^\ufffd\ufffdSNTHETIC"


def test_a_missing_text_is_empty(tmp_path: Path) -> None:
    header = read(tmp_path, part10(chest_film(AccessionNumber=None, StudyDate="")))
    assert (header.accession_number, header.study_date) == ("", "")


def test_a_value_that_claims_the_whole_file_is_not_read(tmp_path: Path) -> None:
    whole = bytearray(part10(chest_film()))
    at = whole.index(b"\x10\x00\x10\x00PN")
    whole[at + 6 : at + 8] = b"\xff\xff"
    with pytest.raises(InstanceRefused):
        read(tmp_path, bytes(whole))


def test_sequences_nested_a_thousand_deep_are_refused(tmp_path: Path) -> None:
    whole = part10(chest_film())
    at = whole.index(b"\x10\x00\x10\x00PN")
    nested = (b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 1500
    with pytest.raises(InstanceRefused):
        read(tmp_path, whole[:at] + nested + whole[at:])
