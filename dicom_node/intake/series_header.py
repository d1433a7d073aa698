"""The header of a series, kept so that rules can be asked about it now and in a month."""

import io
import logging
import struct
import time
from collections.abc import Iterable, Mapping

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from dicom_node.archive import Archive
from dicom_node.database.study_facts import Header, SeriesKey, UnreadSeries
from dicom_node.domain.routing import KEPT_VRS
from dicom_node.errors import ArchiveCorrupted
from dicom_node.intake.encoded_text import decoded_text, encodings_of
from dicom_node.intake.header import UNPARSABLE

logger = logging.getLogger(__name__)

MOST_SERIES = 100
"""Of a study whose headers are read; of further ones the rows of the database have to do."""
_MOST_BYTES = 1 << 18
"""Of a file that are looked at: a hostile header of this size takes a second, not the dispatcher's day."""
_MOST_SECONDS = 5.0
"""For all series that are asked for at once; honest headers take a thousandth each."""
_LONGEST_VALUE = "4 KB"
_MOST_ELEMENTS = 500
_MOST_VALUES = 16
_LONGEST_TEXT = 256
_NUMBERS = {
    "US": "H",
    "SS": "h",
    "UL": "I",
    "SL": "i",
    "FL": "f",
    "FD": "d",
    "UV": "Q",
    "SV": "q",
    "AT": "HH",
}
"""Value Representation to the letters of ``struct``."""


def read_headers(archive: Archive, unread: Iterable[UnreadSeries]) -> Mapping[SeriesKey, Header]:
    """Return the headers of those series whose first Instance can be read; whatever its bytes are."""
    found: dict[SeriesKey, Header] = {}
    until = time.monotonic() + _MOST_SECONDS
    for one in unread:
        if time.monotonic() > until:
            logger.warning("headers take too long, the rest is not kept", extra={"kept": len(found)})
            break
        try:
            with archive.path(one.path).open("rb") as file:
                content = file.read(_MOST_BYTES)
            found[one.key] = header_of(content)
        except (ArchiveCorrupted, OSError, *UNPARSABLE) as error:
            logger.warning("header not kept", extra={"path": one.path, "why": type(error).__name__})
    return found


def header_of(content: bytes) -> Header:
    """Return the kept elements of the beginning of a Part 10 file: keyword to values as text.

    Left out: sequences, bulk data, long texts, private elements, values over 4 KB, and from the pixels on.

    Raises
    ------
    Exception
        One of :data:`~dicom_node.intake.header.UNPARSABLE`: the content cannot be parsed.
    """
    dataset = dcmread(io.BytesIO(content), stop_before_pixels=True, defer_size=_LONGEST_VALUE)
    encodings = encodings_of(dataset)
    kept: dict[str, tuple[str, ...]] = {}
    for tag in sorted(dataset.keys())[: 4 * _MOST_ELEMENTS]:
        keyword = keyword_for_tag(tag)
        if not keyword or tag.is_private or len(kept) == _MOST_ELEMENTS:
            continue
        values = _values_of(dataset, tag, encodings)
        if values:
            kept[keyword] = values
    return kept


def _values_of(dataset: Dataset, tag: BaseTag, encodings: list[str]) -> tuple[str, ...]:
    element: object = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or not isinstance(element.value, bytes):
        return ()
    vr = dictionary_VR(tag)
    vr = vr if vr in KEPT_VRS else element.VR or vr  # "US or SS": the file says which
    if vr not in KEPT_VRS or len(element.value) != element.length:  # the last one may be cut
        return ()
    if vr in _NUMBERS:
        endian = "<" if element.is_little_endian else ">"
        return _numbers(element.value, endian + _NUMBERS[vr], vr)
    text = decoded_text(element.value, encodings)
    values = [text] if vr == "UR" else text.split("\\")[:_MOST_VALUES]
    stripped = [value.strip()[:_LONGEST_TEXT] for value in values]
    return tuple(stripped) if any(stripped) else ()


def _numbers(value: bytes, form: str, vr: str) -> tuple[str, ...]:
    size = struct.calcsize(form)
    numbers = [struct.unpack_from(form, value, at) for at in range(0, len(value) - size + 1, size)]
    if vr == "AT":
        return tuple(f"({group:04X},{element:04X})" for group, element in numbers[:_MOST_VALUES])
    return tuple(
        f"{number:.9g}" if vr in {"FL", "FD"} else str(number) for (number,) in numbers[:_MOST_VALUES]
    )
