"""What rules may ask of a study, from its rows: the kept headers of its series, who sent it, when it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.tables import instances, series, studies
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import SeriesFacts, StudyFacts

SeriesKey = int
Header = Mapping[str, tuple[str, ...]]
"""DICOM keyword to its values."""
_NO_HEADERS: Mapping[SeriesKey, Header] = MappingProxyType({})

_OF_SERIES = {
    "Modality": series.c.modality,
    "SeriesNumber": series.c.series_number,
    "SeriesDescription": series.c.series_description,
    "BodyPartExamined": series.c.body_part_examined,
    "PatientID": studies.c.patient_id,
    "PatientBirthDate": studies.c.patient_birth_date,
    "PatientSex": studies.c.patient_sex,
    "AccessionNumber": studies.c.accession_number,
    "StudyDate": studies.c.study_date,
    "StudyTime": studies.c.study_time,
    "StudyDescription": studies.c.study_description,
}
"""What is known of a series whose header could not be read."""
_SERIES = sa.select(
    series.c.id,
    series.c.series_instance_uid,
    series.c.header,
    studies.c.study_instance_uid,
    studies.c.completed_at,
    *(column.label(keyword) for keyword, column in _OF_SERIES.items()),
).join(studies, studies.c.id == series.c.study_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadSeries:
    """A series whose header is not kept yet, and its first Instance."""

    key: SeriesKey
    path: str
    """Relative to the archive's root."""


def series_without_header(
    session: Session, study_instance_uids: Sequence[str], *, most: int
) -> list[UnreadSeries]:
    """Return the series of the studies whose header is not kept, at most so many of each study."""
    first = (
        sa.select(
            series.c.id,
            sa.func.min(instances.c.id).label("instance_id"),
            sa.func.row_number().over(partition_by=series.c.study_id, order_by=series.c.id).label("number"),
        )
        .join(studies, studies.c.id == series.c.study_id)
        .join(instances, instances.c.series_id == series.c.id)
        .where(
            studies.c.study_instance_uid.in_(list(study_instance_uids)),
            series.c.header.is_(None),
            instances.c.late.is_(False),
        )
        .group_by(series.c.id, series.c.study_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(first.c.id, instances.c.path)
        .join(instances, instances.c.id == first.c.instance_id)
        .where(first.c.number <= most)
    )
    return [UnreadSeries(key=row.id, path=row.path) for row in rows]


def keep_headers(session: Session, study_instance_uid: str, headers: Mapping[SeriesKey, Header]) -> None:
    """Keep a header of every series of the study, for the decision now and backtests later.

    Where none could be read it is what the rows know, so that whoever asks later is told the same.
    """
    for row in session.execute(
        _SERIES.where(studies.c.study_instance_uid == study_instance_uid, series.c.header.is_(None))
    ):
        plain = {keyword: list(values) for keyword, values in _header_of(row, headers).items()}
        session.execute(sa.update(series).where(series.c.id == row.id).values(header=plain))


def facts_of(
    session: Session,
    study_instance_uids: Sequence[str],
    *,
    now: datetime,
    headers: Mapping[SeriesKey, Header] = _NO_HEADERS,
) -> list[StudyFacts]:
    """Return the facts of the studies, as when they were complete: what came later is no part of them.

    Parameters
    ----------
    now
        Stands for the time of completion where there is none yet.
    headers
        Of series whose header is not kept.
    """
    wanted = studies.c.study_instance_uid.in_(list(study_instance_uids))
    sent: dict[SeriesKey, set[tuple[str, str]]] = {}
    for row in session.execute(
        sa.select(instances.c.series_id, instances.c.sop_class_uid, instances.c.calling_ae_title)
        .distinct()
        .join(series, series.c.id == instances.c.series_id)
        .join(studies, studies.c.id == series.c.study_id)
        .where(wanted, instances.c.late.is_(False))
    ):
        sent.setdefault(row.series_id, set()).add((row.sop_class_uid, row.calling_ae_title))
    rows: dict[str, list[Any]] = {}
    for row in session.execute(_SERIES.where(wanted).order_by(series.c.id)):
        if row.id in sent:
            rows.setdefault(row.study_instance_uid, []).append(row)
    return [
        StudyFacts(
            study_instance_uid=StudyInstanceUID(uid),
            calling_ae_titles=frozenset(caller for row in rows[uid] for _, caller in sent[row.id]),
            completed_at=rows[uid][0].completed_at or now,
            series=tuple(
                SeriesFacts(
                    series_instance_uid=row.series_instance_uid,
                    sop_class_uids=frozenset(sop_class for sop_class, _ in sent[row.id]),
                    header=_header_of(row, headers),
                )
                for row in rows[uid]
            ),
        )
        for uid in study_instance_uids
        if uid in rows
    ]


def completed_since(session: Session, since: datetime) -> list[StudyInstanceUID]:
    """Return the studies that were complete from then on, oldest first."""
    rows = session.execute(
        sa.select(studies.c.study_instance_uid)
        .where(studies.c.completed_at >= since)
        .order_by(studies.c.completed_at, studies.c.id)
    )
    return [StudyInstanceUID(uid) for uid in rows.scalars()]


def _header_of(row: sa.Row[Any], headers: Mapping[SeriesKey, Header]) -> Header:
    if row.header is not None:
        return {keyword: tuple(values) for keyword, values in row.header.items()}
    if row.id in headers:
        return headers[row.id]
    said = row._mapping  # noqa: SLF001 - SQLAlchemy's documented access by name
    return {keyword: (said[keyword],) for keyword in _OF_SERIES if said[keyword]}
