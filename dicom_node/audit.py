"""The audit trail for people: search."""

from dicom_node.database import audit_trail
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.domain.audit import RecordedEvent
from dicom_node.resources import Resources


def search(resources: Resources, query: AuditQuery) -> list[RecordedEvent]:
    """Return the matching events, newest first."""
    with resources.database.read() as session:
        return audit_trail.search(session, query)
