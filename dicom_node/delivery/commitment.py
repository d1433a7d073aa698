"""Storage commitment (PS3.4 J): what we ask for, and what the Destination reports."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import UID

from dicom_node.database import commitments
from dicom_node.domain.identifiers import is_uid
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

NO_SUCH_INSTANCE = 0x0112  # PS3.3 C.14.1.1
_REASONS = {  # PS3.3 C.14.1.1
    0x0110: "processing failure",
    NO_SUCH_INSTANCE: "no such instance",
    0x0119: "class and instance conflict",
    0x0122: "SOP Class not supported",
    0x0131: "duplicate Transaction UID",
    0x0213: "resource limitation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The Event Information of an N-EVENT-REPORT (PS3.4 Table J.3-2)."""

    transaction_uid: str
    committed: frozenset[str]
    failed: dict[str, int]
    """SOP Instance UIDs and the Failure Reason (0008,1197) of each."""


def request_of(transaction_uid: str, instances: Iterable[tuple[str, str]]) -> Dataset:
    """Return the Action Information of a request (PS3.4 Table J.3-1).

    Parameters
    ----------
    instances
        SOP Class UID and SOP Instance UID of each.
    """
    request = Dataset()
    request.TransactionUID = UID(transaction_uid)
    request.ReferencedSOPSequence = [_referenced(*one) for one in instances]
    return request


def receive_report(resources: Resources, information: Dataset, *, actor: str) -> bool:
    """Enter what the Destination reports and wake the dispatcher; False when nobody asked.

    Raises
    ------
    ValueError
        The Event Information is not one of PS3.4 Table J.3-2.
    OutOfResources
        The database cannot be reached: the Destination should report again.
    """
    report = read_report(information)
    with resources.database.begin() as session:
        delivery_id = commitments.enter_report(
            session,
            report.transaction_uid,
            committed=report.committed,
            failed=report.failed,
            actor=actor,
            now=resources.database.now(session),
        )
    facts = {"transaction_uid": report.transaction_uid, "failed": len(report.failed)}
    if delivery_id is None:
        logger.warning("storage commitment reported that nobody asked for", extra=facts)
        return False
    logger.info("storage commitment reported", extra={**facts, "delivery": str(delivery_id)})
    resources.dispatcher_bell.ring()
    return True


def read_report(information: Dataset) -> Report:
    """Return what the Event Information says; raises ``ValueError`` when it is none."""
    transaction_uid = str(information.get("TransactionUID", ""))
    if not is_uid(transaction_uid):
        raise ValueError("no Transaction UID")
    return Report(
        transaction_uid=transaction_uid,
        committed=frozenset(
            str(item.get("ReferencedSOPInstanceUID", ""))
            for item in information.get("ReferencedSOPSequence") or ()
        ),
        failed={
            str(item.get("ReferencedSOPInstanceUID", "")): int(item.get("FailureReason") or 0)
            for item in information.get("FailedSOPSequence") or ()
        },
    )


def reason_of(failure: int) -> str:
    """Return a Failure Reason in words (PS3.3 C.14.1.1)."""
    return f"not committed: {_REASONS.get(failure, 'reason')} ({failure:04X}H)"


def _referenced(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = UID(sop_class_uid)
    item.ReferencedSOPInstanceUID = UID(sop_instance_uid)
    return item
