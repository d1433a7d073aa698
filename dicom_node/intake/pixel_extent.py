"""Tell cheaply, from lengths alone, whether the pixel data of an Instance are all there."""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from pydicom.uid import UID, ImplicitVRLittleEndian

from dicom_node.errors import InstanceRefused, RefusalReason

_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM, _SEQUENCE_DELIMITATION = 0xE000, 0xE0DD
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """What the Image Pixel module says; None when absent."""

    rows: int | None
    columns: int | None
    samples_per_pixel: int | None
    number_of_frames: int | None
    bits_allocated: int | None

    @property
    def native_length(self) -> int:
        """Bytes that uncompressed pixel data need (PS3.5 8.1.1); 0 when the module does not say.

        A sender may keep YBR_FULL_422 in two thirds of that, so colour is counted as one sample.
        """
        samples = 1 if self.samples_per_pixel == 3 else (self.samples_per_pixel or 1)
        bits = (self.rows or 0) * (self.columns or 0) * samples * (self.bits_allocated or 0)
        return (bits * (self.number_of_frames or 1) + 7) // 8


def check_pixels_are_whole(
    file: BinaryIO, facts: PixelFacts, sop_instance_uid: str, transfer_syntax_uid: str
) -> None:
    """Check a file that stands at its Pixel Data element.

    Native: the element's length reaches neither beyond the file nor short of what rows, columns, frames and
    bits need. Encapsulated: every item is followed by another one or the delimiter (PS3.5 A.4).

    Raises
    ------
    InstanceRefused
        Something is missing.
    """
    is_implicit = transfer_syntax_uid == ImplicitVRLittleEndian
    length = _length_of_pixel_data(file, is_implicit=is_implicit)
    if length is None:
        _refuse(sop_instance_uid, "no pixel data")
    if UID(transfer_syntax_uid).is_encapsulated:
        if length != _UNDEFINED or not _ends_with_a_delimiter(file):
            _refuse(sop_instance_uid, "encapsulated pixel data do not end")
        return
    if length > _bytes_left(file):
        _refuse(sop_instance_uid, "native pixel data end too early")
    if length < facts.native_length:
        _refuse(sop_instance_uid, "native pixel data are shorter than rows, columns and frames need")


def _length_of_pixel_data(file: BinaryIO, *, is_implicit: bool) -> int | None:
    wanted = 8 if is_implicit else 12
    head = file.read(wanted)
    if len(head) < wanted or struct.unpack("<HH", head[:4]) != _PIXEL_DATA:
        return None
    return int.from_bytes(head[-4:], "little")


def _ends_with_a_delimiter(file: BinaryIO) -> bool:
    end = file.tell() + _bytes_left(file)
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", head)
        if group != 0xFFFE:
            return False
        if element == _SEQUENCE_DELIMITATION:
            return True
        if element != _ITEM or file.tell() + length > end:
            return False
        file.seek(length, os.SEEK_CUR)
    return False


def _bytes_left(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size - file.tell()


def _refuse(sop_instance_uid: str, detail: str) -> NoReturn:
    raise InstanceRefused(sop_instance_uid, RefusalReason.TRUNCATED, detail)
