"""The kept header of a series: what is in it, and what hostile bytes do to it."""

import io
import struct
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_node.archive import Archive
from dicom_node.database.study_facts import UnreadSeries
from dicom_node.intake.series_header import header_of, read_headers
from tests.synthetic import studies as synthetic


def film(**values: object) -> Dataset:
    dataset = synthetic.chest_film()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def kept(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return dict(header_of(synthetic.part10(dataset)))


def test_a_header_has_the_values_as_text_by_keyword() -> None:
    header = kept(film(ImageType=["ORIGINAL", "PRIMARY"], StationName="ROOM 1", KVP="120"))
    assert header["ImageType"] == ("ORIGINAL", "PRIMARY")
    assert (header["StationName"], header["KVP"], header["Rows"]) == (("ROOM 1",), ("120",), ("256",))


def test_sequences_bulk_data_long_texts_and_private_elements_are_left_out() -> None:
    dataset = film(AdditionalPatientHistory="a long story", ReferencedStudySequence=[Dataset()])
    dataset.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", "private")
    dataset.LongCodeValue = "x" * 5000
    header = kept(dataset)
    assert "PixelData" not in header
    assert not {"AdditionalPatientHistory", "ReferencedStudySequence", "LongCodeValue"} & set(header)
    assert "private" not in str(header)


def test_text_is_decoded_by_its_character_set() -> None:
    dataset = film(SpecificCharacterSet=["", "ISO 2022 IR 87"], InstitutionName="東京病院")
    assert kept(dataset)["InstitutionName"] == ("東京病院",)
    dataset = film(SpecificCharacterSet="GB18030", InstitutionName="誠")
    assert kept(dataset)["InstitutionName"] == ("誠",)


def test_an_unknown_character_set_or_a_terminal_sequence_leaves_replacement_characters() -> None:
    raw = synthetic.part10(film(InstitutionName="AB\x1b[2JCD"))
    assert header_of(raw)["InstitutionName"] == ("AB\N{REPLACEMENT CHARACTER}[2JCD",)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_encoding_gives_the_same_header(syntax: str) -> None:
    dataset = film()
    expected = kept(dataset)
    dataset.PixelData = b""
    buffer = io.BytesIO()
    little = syntax == ImplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(buffer, implicit_vr=little, little_endian=little, enforce_file_format=True)
    assert header_of(buffer.getvalue()) == expected


def test_a_value_that_is_cut_off_is_left_out() -> None:
    whole = synthetic.part10(film(InstitutionName="UNIVERSITY HOSPITAL"))
    cut = whole[: whole.index(b"UNIVERSITY") + 6]
    header = header_of(cut)
    assert "InstitutionName" not in header
    assert header["Modality"] == ("DX",)


def hostile() -> dict[str, bytes]:
    whole = synthetic.part10(film())
    meta = whole[: 144 + struct.unpack("<I", whole[140:144])[0]]
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return {
        "nothing": b"",
        "no DICOM": b"PK\x03\x04" * 100,
        "deep nesting": meta + (sequence + item) * 20_000,
        "many elements": meta + struct.pack("<HH2sH", 0x0009, 0x0001, b"LO", 0) * 30_000,
        "huge length": meta + struct.pack("<HH2sHI", 0x0008, 0x0060, b"UT", 0, 0xFFFFFFF0),
        "noise": meta + bytes(range(256)) * 500,
        "wrong VR": meta + struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 3) + b"abc",
    }


@pytest.mark.parametrize("kind", sorted(hostile()))
def test_hostile_bytes_stop_nobody(kind: str, archive: Archive) -> None:
    good = archive.put("1.2.3", synthetic.part10(film()))[0]
    bad = archive.put("1.2.4", hostile()[kind])[0]
    paths = {1: bad, 2: good, 3: "00/missing.dcm"}
    headers = read_headers(archive, [UnreadSeries(key=key, path=path) for key, path in paths.items()])
    assert headers[2]["Modality"] == ("DX",)
    assert 3 not in headers


def test_no_more_than_the_beginning_of_a_file_is_read(archive: Archive, tmp_path: Path) -> None:
    path = archive.put("1.2.3", synthetic.part10(film()))[0]
    with (archive.root / path).open("ab") as file:
        file.truncate(1 << 33)  # sparse
    assert read_headers(archive, [UnreadSeries(key=1, path=path)])[1]["Modality"] == ("DX",)
