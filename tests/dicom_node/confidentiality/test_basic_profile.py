"""De-identification: no patient attribute is left in the bytes, and what belongs together stays linked."""

import re
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.confidentiality.basic_profile import Origin, deidentify
from dicom_node.confidentiality.identity import Pseudonyms, pseudonyms_of
from dicom_node.errors import DeliveryRefused
from dicom_node.results.instance import encode
from tests.conformance.judges import dciodvfy_errors, dsrdump
from tests.synthetic import results_inputs, studies

OURS = Pseudonyms(key=b"k" * 32)
_TABLE = files("dicom_node.confidentiality").joinpath("basic_profile.txt").read_text("ascii")
_CANARIES = {
    "PN": "Canary^{n}",
    "LO": "CANARY{n}",
    "SH": "CANARY{n}",
    "ST": "CANARY{n}",
    "LT": "CANARY{n}",
    "UT": "CANARY{n}",
    "UC": "CANARY{n}",
    "AE": "CANARY{n}",
    "CS": "CANARY{n}",
    "UR": "CANARY{n}",
    "UI": "1.2.99999.{n}",
}


def removed_or_replaced() -> dict[int, str]:
    tags = {int(name, 16) for name in re.findall(r"\b[0-9A-F]{8}\b", _TABLE)}
    return {tag: dictionary_VR(tag) for tag in sorted(tags) if dictionary_has_tag(tag) and tag >> 16 > 2}


def film_full_of_canaries() -> tuple[Dataset, list[str]]:
    """A film in which every text and UID of the profile's table has a value that is found again."""
    film = studies.chest_film(study=71)
    canaries = []
    for number, (tag, vr) in enumerate(removed_or_replaced().items(), start=100):
        if vr in _CANARIES:
            value = _CANARIES[vr].format(n=number)
            film.add_new(tag, vr, value)
            canaries.append(value)
    item = Dataset()
    item.PatientName = "Nested^Canary"
    item.PerformedProcedureStepStartDate = "20010203"
    film.RequestAttributesSequence = [item]
    film.add_new(0x00111001, "LO", "PRIVATE CANARY")
    film.add_new(0x00110010, "LO", "SOMEBODY")
    film.add_new(0x60004000, "LT", "OVERLAY CANARY")
    film.PatientBirthDate, film.StudyDate, film.AcquisitionDate = "19480517", "20240229", "20240301"
    found = ["Nested^Canary", "20010203", "PRIVATE CANARY", "OVERLAY CANARY", "19480517", "20240229"]
    return film, [*canaries, *found, "20240301"]


def rewritten(dataset: Dataset) -> bytes:
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def test_no_canary_is_left_in_the_bytes_of_a_film() -> None:
    film, canaries = film_full_of_canaries()
    film = pydicom.dcmread(BytesIO(studies.part10(film)))
    assert len(canaries) > 250
    before = rewritten(film)
    assert [one for one in canaries if one.encode() not in before] == []
    deidentify(film, OURS, Origin.FOREIGN)
    after = rewritten(film)
    assert [one for one in canaries if one.encode() in after] == []
    assert film.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in film.DeidentificationMethodCodeSequence] == ["113100"]


def test_a_sequence_that_was_encoded_as_unknown_is_looked_into() -> None:
    name = b"\x10\x00\x10\x00" + (14).to_bytes(4, "little") + b"Hidden^Canary "
    item = b"\xfe\xff\x00\xe0" + len(name).to_bytes(4, "little") + name
    content = studies.part10(studies.chest_film(study=76))
    # CTDI Phantom Type Code Sequence, which the table does not name, and an attribute that nobody knows
    hidden = b"\x18\x00\x46\x93UN\x00\x00" + len(item).to_bytes(4, "little") + item
    unknown = b"\x18\x00\x99\x99LO\x0e\x00UNKNOWN CANARY"
    place = content.index(b"\x20\x00\x0d\x00UI")
    film = pydicom.dcmread(BytesIO(content[:place] + hidden + unknown + content[place:]))
    deidentify(film, OURS, Origin.FOREIGN)
    after = rewritten(film)
    assert b"Hidden" not in after
    assert b"UNKNOWN" not in after
    assert "CTDIPhantomTypeCodeSequence" in film


def test_an_attribute_of_a_vr_that_nobody_knows_is_refused() -> None:
    content = studies.part10(studies.chest_film(study=77))
    rows = content.index(b"\x28\x00\x10\x00US")
    broken = content[:rows] + b"\x28\x00\x10\x00??" + content[rows + 6 :]
    with pytest.raises(DeliveryRefused, match="no VR that is known"):
        deidentify(pydicom.dcmread(BytesIO(broken)), OURS, Origin.FOREIGN)


def test_pixels_stay_as_they_are() -> None:
    film = studies.chest_film(study=72)
    pixels = film.PixelData
    deidentify(film, OURS, Origin.FOREIGN)
    assert film.PixelData == pixels


def test_originals_report_and_heat_map_stay_one_study() -> None:
    series = results_inputs.ct_series()
    report, heatmap = results_inputs.ct_outputs(series)
    for one in (report, heatmap):
        deidentify(one, OURS, Origin.OWN)
    for one in series:
        deidentify(one, OURS, Origin.FOREIGN)
    everything = [report, heatmap, *series]
    assert len({one.StudyInstanceUID for one in everything}) == 1
    assert len({one.PatientID for one in everything}) == 1
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = {item.ReferencedSOPInstanceUID for group in evidence for item in group.ReferencedSOPSequence}
    assert named == {one.SOPInstanceUID for one in [heatmap, *series]}
    sources = {item.ReferencedSOPInstanceUID for item in heatmap.SourceImageSequence}
    assert sources <= {one.SOPInstanceUID for one in series}


def test_our_outputs_stay_valid_and_keep_their_warning(tmp_path: Path) -> None:
    for number, output in enumerate(results_inputs.ct_outputs(results_inputs.ct_series())):
        name, identifier = str(output.PatientName), output.PatientID
        stored = pydicom.dcmread(BytesIO(encode(output)))
        deidentify(stored, OURS, Origin.OWN)
        stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(encode(stored))
        written = path.read_bytes()
        assert name.encode("latin-1") not in written
        assert identifier.encode() not in written
        assert b"NOT FOR DIAGNOSTIC USE" in written
        assert dciodvfy_errors(path) == []
        if "ValueType" in stored:
            assert dsrdump(path) == (0, [])


def test_the_same_again_is_the_same_bytes_and_another_key_another_identity() -> None:
    def once(pseudonyms: Pseudonyms) -> bytes:
        film = studies.chest_film(study=73)
        deidentify(film, pseudonyms, Origin.FOREIGN)
        return studies.part10(film)

    assert once(OURS) == once(Pseudonyms(key=b"k" * 32))
    assert once(OURS) != once(Pseudonyms(key=b"l" * 32))


def test_burned_in_annotation_is_refused() -> None:
    film = studies.chest_film(study=74, BurnedInAnnotation="YES")
    with pytest.raises(DeliveryRefused, match="burned-in"):
        deidentify(film, OURS, Origin.FOREIGN)


def test_a_document_of_another_system_is_refused() -> None:
    with pytest.raises(DeliveryRefused, match="document"):
        deidentify(studies.structured_report(), OURS, Origin.FOREIGN)


def test_the_key_is_drawn_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deidentification.key"
    first = pseudonyms_of(path)
    assert pseudonyms_of(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert first.key.hex() not in repr(first)


def test_a_spoiled_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deidentification.key"
    path.write_text("abcd")
    with pytest.raises(ValueError, match="no key"):
        pseudonyms_of(path)


def test_implicit_vr_is_read_by_the_dictionary() -> None:
    film = studies.chest_film(study=75)
    film.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    film = pydicom.dcmread(BytesIO(studies.part10(film)))
    deidentify(film, OURS, Origin.FOREIGN)
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert film.PatientName == OURS.patient(f":{studies.chest_film(study=75).PatientID}")
