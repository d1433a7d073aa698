"""Headers of stored Instances, without what no model looks at and no memory would hold."""

import struct
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag, Tag

from dicom_node.errors import UnreadablePixels

DEEPEST = 16
"""Levels of sequences. Reports and functional groups have about ten; pydicom's recursive walks grow by
gigabytes when they fail a thousand levels down."""
_LONGEST_VALUE = 256 << 10
_FUNCTIONAL_GROUPS = {Tag(0x5200, 0x9229), Tag(0x5200, 0x9230)}
"""The only values of a header that may well be longer (PS3.3 C.7.6.16)."""
_UNPARSABLE = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    RuntimeError,  # RecursionError is one
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
    InvalidDicomError,
    BytesLengthException,
)
"""What pydicom raises on hostile bytes; it names no family for it."""


def read_header(path: Path) -> Dataset:
    """Return what a Part 10 file says before its pixel data, without private attributes and bulk values.

    Raises
    ------
    UnreadablePixels
        The file is not there, cannot be parsed, or nests sequences deeper than ``DEEPEST``.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, defer_size=_LONGEST_VALUE)
        for tag in list(header.keys()):
            if tag.is_private or _is_too_long(header, tag):
                del header[tag]
        _check_depth(header)
    except _UNPARSABLE as error:
        raise UnreadablePixels(f"a stored file cannot be read ({type(error).__name__})") from error
    return header


def _is_too_long(header: Dataset, tag: BaseTag) -> bool:
    element: object = header.get_item(tag, keep_deferred=True)
    return isinstance(element, RawDataElement) and element.value is None and tag not in _FUNCTIONAL_GROUPS


def _check_depth(header: Dataset) -> None:
    """Go down level by level, as pydicom parses a sequence of known length when it is first looked at."""
    level = [header]
    for _ in range(DEEPEST):
        level = [item for dataset in level for item in _items_of(dataset)]
        if not level:
            return
    raise UnreadablePixels(f"sequences are nested more than {DEEPEST} levels deep")


def _items_of(dataset: Dataset) -> Iterator[Dataset]:
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag, keep_deferred=True)
        if element is not None and (element.VR == "SQ" or _may_become_a_sequence(element.VR, tag)):
            yield from dataset[tag].value or ()


def _may_become_a_sequence(vr: str | None, tag: BaseTag) -> bool:
    """Tell whether pydicom takes the element for a sequence although its encoding does not say so."""
    return vr in {None, "UN"} and dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"
