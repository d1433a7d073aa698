"""Triage: how urgent a study is after reading, and the worklist that every door shows."""

from collections.abc import Sequence
from datetime import timedelta

from dicom_node.database.worklist import WorklistQuery, worklist_items
from dicom_node.domain.finding import Condition, Finding, Presence
from dicom_node.domain.worklist import ROUTINE, URGENT, WorklistItem
from dicom_node.resources import Resources

WINDOW = timedelta(hours=24)
"""How far back a worklist reaches unless asked for more: urgent studies of last week hide no new one."""

_PRIORITY_WHEN_PRESENT = {
    Condition.COVID19: URGENT,
    Condition.TUBERCULOSIS: URGENT,
    Condition.PNEUMONIA_BACTERIAL: URGENT + 1,
    Condition.PNEUMONIA_VIRAL: URGENT + 1,
    Condition.NON_COVID: ROUTINE - 1,
    Condition.NORMAL: ROUTINE,
}
"""Infectious conditions first: the room, not only the patient, waits. A site's own table is another issue."""


def rank(findings: Sequence[Finding]) -> int:
    """Return the priority that the Findings ask for: 0 most urgent, 9 least, never below routine.

    A condition whose presence is undetermined asks for a look before the routine studies.
    """
    asked = [ROUTINE]
    for finding in findings:
        if finding.presence is Presence.PRESENT:
            asked.append(_PRIORITY_WHEN_PRESENT[finding.condition])
        elif finding.presence is Presence.UNDETERMINED and finding.condition is not Condition.NORMAL:
            asked.append(ROUTINE - 1)
    return min(asked)


def worklist(resources: Resources, query: WorklistQuery) -> list[WorklistItem]:
    """Return the studies, most urgent first."""
    with resources.database.read() as session:
        return worklist_items(session, query)
