"""Keep an offered Instance: durable bytes first, then its row and audit event, and only then say so."""

import logging
import threading
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from dicom_node.database import audit_trail, studies
from dicom_node.database.studies import ArchivedFile, Recorded, Sender
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.identifiers import is_uid
from dicom_node.domain.study import InstanceHeader
from dicom_node.domain.text import printable
from dicom_node.errors import DicomNodeError, InstanceRefused, OutOfResources, RefusalReason
from dicom_node.intake.admission import StoreCommand, check_command, check_header
from dicom_node.intake.header import OfferedHeader, read_header
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

_SAME_FILE = tuple(threading.Lock() for _ in range(64))
"""Held from the archive's answer to the database's: the same bytes received twice are one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedInstance:
    """An Instance that a peer offers: its command, and the Part 10 file that its bytes were spooled to."""

    command: StoreCommand
    part: Path
    """On the archive's own file system; gone after :func:`receive_instance`."""
    sha256: str
    """Of the encoded data set alone: another sender, so another file meta, makes no other content."""
    size: int
    """Bytes of the encoded data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of an Instance that was taken."""

    header: InstanceHeader
    recorded: Recorded


def receive_instance(
    resources: Resources,
    offered: OfferedInstance,
    *,
    sender: Sender,
    sop_classes: Container[str],
    transfer_syntaxes: Container[str],
) -> Received:
    """Keep the Instance; when this returns, its bytes are synced and its row is committed.

    Raises
    ------
    InstanceRefused
        It must not come in; nothing of it is kept but the audit event.
    OutOfResources
        No space, or no database; nothing of it is kept, and it may work later.
    """
    header: OfferedHeader | None = None
    try:
        check_command(offered.command, sop_classes=sop_classes, transfer_syntaxes=transfer_syntaxes)
        resources.archive.check_free_space()
        header = read_header(
            offered.part,
            sop_instance_uid=offered.command.sop_instance_uid,
            transfer_syntax_uid=offered.command.transfer_syntax_uid,
        )
        check_header(offered.command, header)
        with _SAME_FILE[int(offered.sha256[:8], 16) % len(_SAME_FILE)]:
            return Received(
                header=header.instance, recorded=_keep(resources, offered, header.instance, sender)
            )
    except (InstanceRefused, OutOfResources) as error:
        record_refusal(
            resources,
            error,
            sender=sender,
            sop_instance_uid=offered.command.sop_instance_uid,
            study_instance_uid=_known_study(header) if header else "",
        )
        raise
    finally:
        offered.part.unlink(missing_ok=True)


def record_refusal(
    resources: Resources,
    error: DicomNodeError,
    *,
    sender: Sender,
    sop_instance_uid: str,
    study_instance_uid: str = "",
) -> None:
    """Enter that an Instance was not taken, in a transaction of its own.

    Without a database there is the log line that the caller writes, and no more.
    """
    is_conflict = isinstance(error, InstanceRefused) and error.reason is RefusalReason.CONFLICT
    event = AuditEvent(
        action=Action.INSTANCE_CONFLICT if is_conflict else Action.INSTANCE_REFUSED,
        actor=sender.calling_ae_title,
        study_instance_uid=study_instance_uid,
        subject=printable(sop_instance_uid[:64]),
        detail={"reason": _reason(error), "association": sender.association_id},
    )
    try:
        with resources.database.begin() as session:
            audit_trail.record(session, [event], at=resources.database.now(session))
    except OutOfResources:
        logger.error("refusal not audited: no database", extra={"sop_instance_uid": sop_instance_uid})


def _known_study(header: OfferedHeader) -> str:
    uid = header.instance.study_instance_uid
    return uid if is_uid(uid) else ""


def _keep(resources: Resources, offered: OfferedInstance, header: InstanceHeader, sender: Sender) -> Recorded:
    archive, uid = resources.archive, header.sop_instance_uid
    was_there = archive.holds(uid, offered.sha256)
    path = archive.adopt(offered.part, uid, offered.sha256)
    file = ArchivedFile(path=path, sha256=offered.sha256, size=offered.size)
    entered = False
    try:
        with resources.database.begin() as session:
            now = resources.database.now(session)
            recorded = studies.record_instance(
                session, header, file, sender=sender, quiet=resources.quiet_periods, now=now
            )
            entered = True
    except BaseException:
        if not was_there and not (entered and _may_be_referred_to(resources, uid, file)):
            archive.discard(path)
        raise
    return recorded


def _may_be_referred_to(resources: Resources, sop_instance_uid: str, file: ArchivedFile) -> bool:
    """Tell whether a commit that reported a failure may have happened: then the file must stay."""
    try:
        with resources.database.read() as session:
            return studies.is_recorded(session, sop_instance_uid, file.sha256)
    except OutOfResources:
        logger.warning("file kept, its commit is in doubt", extra={"sop_instance_uid": sop_instance_uid})
        return True


def _reason(error: DicomNodeError) -> str:
    if isinstance(error, InstanceRefused):
        return f"{error.reason.value}{': ' + error.detail if error.detail else ''}"
    return str(error)
