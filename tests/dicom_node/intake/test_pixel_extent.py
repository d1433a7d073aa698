"""Lengths alone tell whether pixel data are all there; what they cannot tell passes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from dicom_node.errors import InstanceRefused, RefusalReason
from dicom_node.intake.header import OfferedHeader, read_header
from dicom_node.intake.pixel_extent import PixelFacts
from tests.peers.sender import EXPLICIT, IMPLICIT
from tests.synthetic.studies import chest_film, compressed, ct_series, enhanced_ct, part10

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def read(folder: Path, whole: bytes, transfer_syntax_uid: str) -> OfferedHeader:
    part = folder / "offered.part"
    part.write_bytes(whole)
    return read_header(part, sop_instance_uid="1.2.3", transfer_syntax_uid=transfer_syntax_uid)


@pytest.mark.parametrize("make", [chest_film, enhanced_ct, lambda: ct_series(slices=1)[0]])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_whole_pixel_data_pass_and_shorter_ones_do_not(
    tmp_path: Path, make: Callable[[], Dataset], syntax: str
) -> None:
    dataset = make() if syntax == EXPLICIT else compressed(make(), syntax)
    whole = part10(dataset)
    offered = read(tmp_path, whole, syntax)
    assert offered.instance.study_instance_uid == dataset.StudyInstanceUID
    assert offered.instance.modality == dataset.Modality
    for missing in (1, 8, len(dataset.PixelData) // 2, len(dataset.PixelData) + 4):
        with pytest.raises(InstanceRefused) as refused:
            read(tmp_path, whole[:-missing], syntax)
        assert refused.value.reason is RefusalReason.TRUNCATED


def test_padding_after_the_pixel_data_passes(tmp_path: Path) -> None:
    padding = b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0\0\0\0\0"
    read(tmp_path, part10(chest_film()) + padding, EXPLICIT)
    read(tmp_path, part10(compressed(chest_film(), RLELossless)) + padding, RLELossless)


def test_compressed_pixels_of_a_defined_length_are_refused(tmp_path: Path) -> None:
    whole = bytearray(part10(compressed(chest_film(), RLELossless)))
    at = whole.index(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff")
    whole[at + 8 : at + 12] = (1000).to_bytes(4, "little")
    with pytest.raises(InstanceRefused):
        read(tmp_path, bytes(whole), RLELossless)


@pytest.mark.parametrize(
    ("facts", "length"),
    [
        (PixelFacts(10, 20, 1, None, 16), 400),
        (PixelFacts(10, 20, 1, 3, 16), 1200),
        (PixelFacts(10, 20, 3, 1, 8), 200),
        (PixelFacts(3, 3, 1, 1, 1), 2),
        (PixelFacts(None, 20, 1, 1, 16), 0),
    ],
)
def test_the_length_that_native_pixels_need(facts: PixelFacts, length: int) -> None:
    assert facts.native_length == length
