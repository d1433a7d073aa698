"""Storage commitment reports at our listener: taken when we asked, answered by status when not."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_context, build_role
from pynetdicom.association import Association
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from dicom_node.database import commitments, jobs
from dicom_node.domain.identifiers import DeliveryId
from dicom_node.resources import Resources
from dicom_node.scp.commitment import LONGEST_REPORT
from dicom_node.scp.server import NodeServer
from tests.synthetic.stories import NOON, PACS, deliver

ASKED = "2.25.4711"
LATER = NOON.replace(year=2100)


@contextmanager
def association_to(server: NodeServer, *, with_role: bool = True) -> Iterator[Association]:
    entity = AE("PACS")
    roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if with_role else []
    contexts = [build_context(StorageCommitmentPushModel)]
    association = entity.associate("127.0.0.1", server.port, contexts, "DICOM_NODE", ext_neg=roles)
    assert association.is_established
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def report(transaction_uid: str, *committed: str, failed: tuple[str, ...] = ()) -> Dataset:
    said = Dataset()
    said.TransactionUID = transaction_uid
    said.ReferencedSOPSequence = [_item(uid) for uid in committed]
    if failed:
        said.FailedSOPSequence = [_item(uid) for uid in failed]
        for item in said.FailedSOPSequence:
            item.FailureReason = 0x0112
    return said


def _item(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    item.ReferencedSOPInstanceUID = uid
    return item


def tell(association: Association, said: Dataset, event_type: int = 1) -> int | None:
    status, _ = association.send_n_event_report(
        said, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    answered: int | None = status.get("Status")
    return answered


@pytest.fixture
def asked(resources: Resources) -> DeliveryId:
    """A delivery that waits for the report."""
    (held,) = deliver(resources.database, PACS)
    delivery_id = DeliveryId(held.subject_id)
    with resources.database.begin() as session:
        commitments.enter_request(session, delivery_id, ASKED, actor="test", now=NOON)
        jobs.put_off(session, held, not_before=LATER, until="the report", now=NOON)
    return delivery_id


def test_a_report_is_entered_and_brings_the_job_forward(
    resources: Resources, server: NodeServer, asked: DeliveryId
) -> None:
    with resources.database.read() as session:
        assert jobs.next_due(session) == LATER
    with association_to(server) as association:
        assert tell(association, report(ASKED, "1.2.3", failed=("1.2.4",)), 2) == 0x0000
    with resources.database.read() as session:
        entered = commitments.latest_commitment(session, asked, since=NOON)
        due = jobs.next_due(session)
    assert entered is not None
    assert entered.answered_at is not None
    assert entered.committed == {"1.2.3"}
    assert entered.failed == {"1.2.4": 0x0112}
    assert due is not None
    assert due < LATER


def test_the_first_report_counts(resources: Resources, server: NodeServer, asked: DeliveryId) -> None:
    with association_to(server, with_role=False) as association:
        assert tell(association, report(ASKED, "1.2.3")) == 0x0000
        assert tell(association, report(ASKED, failed=("1.2.3",)), 2) == 0x0000
    with resources.database.read() as session:
        entered = commitments.latest_commitment(session, asked, since=NOON)
    assert entered is not None
    assert entered.committed == {"1.2.3"}


def test_what_nobody_asked_for_changes_nothing(server: NodeServer, asked: DeliveryId) -> None:
    with association_to(server) as association:
        assert tell(association, report("2.25.1", "1.2.3")) == 0x0115
        assert tell(association, report("", "1.2.3")) == 0x0115
        assert tell(association, report(ASKED, "1.2.3"), 3) == 0x0113


def test_a_report_without_end_is_not_kept(
    resources: Resources, server: NodeServer, asked: DeliveryId
) -> None:
    endless = report(ASKED, "1.2.3")
    endless.add_new(0x00090010, "LO", "ACME")
    endless.add_new(0x00091001, "OB", b"\0" * (LONGEST_REPORT + 2))
    with association_to(server) as association:
        assert tell(association, endless) == 0x0115
        assert tell(association, report(ASKED, "1.2.3")) == 0x0000


def test_no_other_service_hides_behind_it(server: NodeServer) -> None:
    with association_to(server, with_role=False) as association:
        status, _ = association.send_n_action(
            report("2.25.1"), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
    assert "Status" not in status
