"""Where the time of a study went, by the node's own audit trail."""

from datetime import datetime
from pathlib import Path

from dicom_node.database import audit_trail, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action
from dicom_node.domain.identifiers import StudyInstanceUID

_MARKS = {
    "quiet, completed": Action.STUDY_COMPLETED,
    "rung, claimed": Action.ANALYSIS_STARTED,
    "read, written down": Action.ANALYSIS_COMPLETED,
    "delivery claimed": Action.DELIVERY_STARTED,
    "sent, accepted": Action.DELIVERY_DELIVERED,
}


def stages_of(home: Path, study_instance_uids: list[str]) -> dict[str, float]:
    """Return the median seconds between one mark and the next, the first one after the release."""
    database = Database(f"sqlite:///{home / 'node.sqlite'}")
    taken: dict[str, list[float]] = {name: [] for name in _MARKS}
    for uid in study_instance_uids:
        before = _released(database, uid)
        for name, action in _MARKS.items():
            at = _at(database, uid, action)
            if at is None or before is None:
                break
            taken[name].append((at - before).total_seconds())
            before = at
    database.close()
    return {name: sorted(seen)[len(seen) // 2] for name, seen in taken.items() if seen}


def _released(database: Database, uid: str) -> datetime | None:
    with database.read() as session:
        study = studies.find_study(session, StudyInstanceUID(uid))
    return study.last_released_at if study else None


def _at(database: Database, uid: str, action: Action) -> datetime | None:
    with database.read() as session:
        found = audit_trail.search(session, AuditQuery(study_instance_uid=uid, actions=(action,), limit=1))
    return found[0].at if found else None
