"""Identifiers: DICOM UIDs and AE titles, checked, and the UIDs that the node derives."""

import re
import uuid
from typing import NewType

StudyInstanceUID = NewType("StudyInstanceUID", str)
SeriesInstanceUID = NewType("SeriesInstanceUID", str)
SOPInstanceUID = NewType("SOPInstanceUID", str)
AETitle = NewType("AETitle", str)
AnalysisId = NewType("AnalysisId", uuid.UUID)
DeliveryId = NewType("DeliveryId", uuid.UUID)
JobId = NewType("JobId", uuid.UUID)

NAMESPACE = uuid.UUID("6f1d3a58-6f0a-5d0e-9a6e-2c8d1b7d4a10")
"""Root of every name-based identifier of this software; never change it."""

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")


def is_uid(text: str) -> bool:
    """Tell whether the text is a UID: digits and dots, at most 64 characters (PS3.5 9.1).

    Leading zeros in a component are let through: real devices write them and nothing here depends on them.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def is_ae_title(text: str) -> bool:
    """Tell whether the text is an AE title: 1-16 printable characters, no backslash (PS3.5 6.2)."""
    return _AE_TITLE.fullmatch(text) is not None and bool(text.strip())


def derived_uuid(*parts: str) -> uuid.UUID:
    """Return the name-based UUID of the parts; length-prefixed, so that no two lists of parts collide."""
    return uuid.uuid5(NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))


def derived_uid(*parts: str) -> str:
    """Return the UID of the parts under 2.25 (PS3.5 B.2): the same parts, the same UID, for ever."""
    return f"2.25.{derived_uuid(*parts).int}"
