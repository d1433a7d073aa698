"""Encoded values of a data set, decoded by its character set without an exception or a warning of pydicom."""

from pydicom import Dataset
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import TEXT_VR_DELIMS

from dicom_node.domain.text import printable


def raw_value(dataset: Dataset, keyword: str) -> bytes:
    """Return the encoded value: pydicom's own checks would warn, with the value, of what peers write."""
    element: object = dataset.get_item(keyword) if keyword in dataset else None
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        return element.value
    return b""


def encodings_of(dataset: Dataset) -> list[str]:
    """Return Python's names of the Specific Character Set (0008,0005)."""
    try:
        return convert_encodings(dataset.get("SpecificCharacterSet"))
    except (LookupError, UserWarning):
        return ["iso8859"]


def decoded_text(value: bytes, encodings: list[str]) -> str:
    """Return the text, with replacement characters for what cannot be decoded or is obeyed, not shown."""
    try:
        decoded = decode_bytes(value, encodings, TEXT_VR_DELIMS)
    except (LookupError, UnicodeError, UserWarning):
        decoded = value.decode("ascii", "replace")
    return printable(decoded.replace("\0", "").strip())
