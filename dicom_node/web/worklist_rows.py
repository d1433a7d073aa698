"""Worklist items as rows of a page that everybody who reaches it may read: no patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from dicom_node.domain.delivery import Delivery, DeliveryState
from dicom_node.domain.finding import Analysis, AnalysisState, Condition, Finding, Presence, impression_of
from dicom_node.domain.worklist import ROUTINE, URGENT, WorklistItem

_HARMLESS = {Condition.NORMAL, Condition.NON_COVID}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A short text, its tone (good, bad, urgent, waiting or plain) and what stands behind it."""

    text: str
    tone: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the page shows of a study: UIDs, modality and dates, what was said, where it went."""

    urgency: Note
    study_instance_uid: str
    modality: str
    study_date: str
    received_at: str
    state: str
    instances: int
    said: tuple[Note, ...]
    sent: tuple[Note, ...]


def rows_of(items: Sequence[WorklistItem]) -> list[Row]:
    """Return the rows in the order of the items."""
    return [
        Row(
            urgency=_urgency(item.study.priority),
            study_instance_uid=item.study.study_instance_uid,
            modality=item.study.modality,
            study_date=_date(item.study.study_date),
            received_at=f"{item.study.received_at:%Y-%m-%d %H:%M:%S}",
            state=item.study.state.value,
            instances=item.study.instance_count,
            said=tuple(_said(analysis) for analysis in item.analyses),
            sent=tuple(_sent(delivery) for delivery in item.deliveries),
        )
        for item in items
    ]


def _urgency(priority: int) -> Note:
    if priority <= URGENT:
        return Note(text=f"{priority} urgent", tone="urgent")
    if priority < ROUTINE:
        return Note(text=f"{priority} soon", tone="waiting")
    return Note(text=f"{priority} routine", tone="plain")


def _said(analysis: Analysis) -> Note:
    model = str(analysis.model)
    match analysis.state:
        case AnalysisState.COMPLETED:
            return _verdict(analysis)
        case AnalysisState.NOT_APPLICABLE:
            return Note(text="not analysed", tone="plain", detail=f"{model}: {analysis.reason}")
        case AnalysisState.FAILED:
            return Note(text="failed", tone="bad", detail=f"{model}: {analysis.reason}")
        case AnalysisState.REQUESTED | AnalysisState.RUNNING:
            return Note(
                text="running" if analysis.state is AnalysisState.RUNNING else "waiting",
                tone="waiting",
                detail=model,
            )
        case _ as unreachable:
            assert_never(unreachable)


def _verdict(analysis: Analysis) -> Note:
    """Name the impression, as report and command line do, then whatever else is present."""
    impression = impression_of(analysis.findings)
    if impression is None:
        return Note(
            text="undetermined",
            tone="waiting",
            detail=f"{analysis.model}: most probable {_figures(analysis.findings[0])}",
        )
    present = [finding for finding in analysis.findings if finding.presence is Presence.PRESENT]
    return Note(
        text=impression.condition.title,
        tone="plain" if impression.condition in _HARMLESS else "urgent",
        detail=f"{analysis.model}: {'; '.join(_figures(finding) for finding in present)}",
    )


def _figures(finding: Finding) -> str:
    return f"{finding.condition.title} {finding.probability:.2f}, threshold {finding.operating_point:.2f}"


def _sent(delivery: Delivery) -> Note:
    match delivery.state:
        case DeliveryState.DELIVERED | DeliveryState.VERIFIED:
            tone = "good"
        case DeliveryState.PENDING:
            tone = "waiting"
        case DeliveryState.REFUSED | DeliveryState.EXHAUSTED:
            tone = "bad"
        case _ as unreachable:
            assert_never(unreachable)
    attempts = f"{delivery.attempts} attempt{'' if delivery.attempts == 1 else 's'}"
    return Note(text=delivery.state.value.lower(), tone=tone, detail=f"{delivery.destination}, {attempts}")


def _date(dicom_date: str) -> str:
    """Return a DICOM DA (PS3.5 6.2) as people write it; anything else as it is."""
    if len(dicom_date) == 8 and dicom_date.isdigit():
        return f"{dicom_date[:4]}-{dicom_date[4:6]}-{dicom_date[6:]}"
    return dicom_date
