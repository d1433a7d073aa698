"""May an offered Instance come in: what the command promises against what the data set holds."""

from collections.abc import Container
from dataclasses import dataclass

from dicom_node.domain.identifiers import is_uid
from dicom_node.errors import InstanceRefused, RefusalReason
from dicom_node.intake.header import OfferedHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCommand:
    """What a C-STORE request and the presentation context it came in promise (PS3.7 9.3.1.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    context_sop_class_uid: str
    transfer_syntax_uid: str


def check_command(
    command: StoreCommand, *, sop_classes: Container[str], transfer_syntaxes: Container[str]
) -> None:
    """Check what can be told before any of the data set is read.

    Raises
    ------
    InstanceRefused
        The SOP Instance UID is malformed, the SOP Class is not one that this node reads or not that of the
        presentation context, or the Transfer Syntax is not decoded here.
    """
    uid = command.sop_instance_uid
    if not is_uid(uid):
        raise InstanceRefused(uid[:64], RefusalReason.INVALID_UID, "Affected SOP Instance UID")
    if command.sop_class_uid not in sop_classes or command.sop_class_uid != command.context_sop_class_uid:
        raise InstanceRefused(uid, RefusalReason.UNSUPPORTED_SOP_CLASS, command.sop_class_uid[:64])
    if command.transfer_syntax_uid not in transfer_syntaxes:
        raise InstanceRefused(uid, RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX, command.transfer_syntax_uid)


def check_header(command: StoreCommand, offered: OfferedHeader) -> None:
    """Check that the data set is the one that the command promised.

    Raises
    ------
    InstanceRefused
        A UID is missing or malformed, a UID of the command and of the data set disagree, or the Instance was
        made by this software.
    """
    uid, header = command.sop_instance_uid, offered.instance
    for name, value in (
        ("SOP Class UID", header.sop_class_uid),
        ("SOP Instance UID", header.sop_instance_uid),
        ("Study Instance UID", header.study_instance_uid),
        ("Series Instance UID", header.series_instance_uid),
    ):
        if not is_uid(value):
            raise InstanceRefused(uid, RefusalReason.INVALID_UID, name)
    if header.sop_class_uid != command.sop_class_uid:
        raise InstanceRefused(uid, RefusalReason.UID_MISMATCH, "SOP Class UID")
    if header.sop_instance_uid != uid:
        raise InstanceRefused(uid, RefusalReason.UID_MISMATCH, "SOP Instance UID")
    if offered.made_by_this_software:
        raise InstanceRefused(uid, RefusalReason.OWN_OUTPUT)
