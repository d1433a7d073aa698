import logging
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID

from dicom_node.imaging import transfer_syntaxes
from dicom_node.imaging.stored_pixels import stored_frame
from dicom_node.imaging.transfer_syntaxes import (
    ENCAPSULATED,
    NATIVE,
    decodable_transfer_syntaxes,
    sample_image,
)
from tests.peers.programs import require

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"


def test_every_transfer_syntax_that_we_want_is_decoded_here() -> None:
    assert decodable_transfer_syntaxes() == NATIVE + ENCAPSULATED
    assert decodable_transfer_syntaxes()[0] == "1.2.840.10008.1.2.1"


def test_neither_big_endian_nor_deflated_nor_video_is_offered() -> None:
    offered = [UID(uid) for uid in decodable_transfer_syntaxes()]
    assert all(uid.is_little_endian and not uid.is_deflated for uid in offered)
    assert not any("MPEG" in uid.name or "HEVC" in uid.name for uid in offered)


def test_a_transfer_syntax_that_decodes_to_something_else_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = ENCAPSULATED[0]
    original = sample_image

    def spoilt(uid: str) -> object:
        dataset, values = original(uid)
        return dataset, values + 1 if uid == wrong else values

    monkeypatch.setattr(transfer_syntaxes, "sample_image", spoilt)
    with caplog.at_level(logging.WARNING):
        assert wrong not in decodable_transfer_syntaxes()
    assert caplog.records[0].__dict__["transfer_syntax_uid"] == wrong


def test_a_transfer_syntax_without_decoder_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    video = "1.2.840.10008.1.2.4.102"

    def sample(uid: str) -> object:
        dataset, values = sample_image(ENCAPSULATED[0])
        dataset.file_meta.TransferSyntaxUID = uid
        return dataset, values

    monkeypatch.setattr(transfer_syntaxes, "ENCAPSULATED", (video,))
    monkeypatch.setattr(transfer_syntaxes, "sample_image", sample)
    assert decodable_transfer_syntaxes() == NATIVE


def test_twelve_bit_jpeg_is_read_as_dcmtk_reads_it(tmp_path: Path) -> None:
    dataset, _ = sample_image(JPEG_EXTENDED)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.2", "2.25.3"
    dataset.HighBit = 11
    dataset.save_as(tmp_path / "packed.dcm", enforce_file_format=True)
    subprocess.run([require("dcmdjpeg"), tmp_path / "packed.dcm", tmp_path / "native.dcm"], check=True)
    np.testing.assert_array_equal(stored_frame(dataset, 0), dcmread(tmp_path / "native.dcm").pixel_array)
