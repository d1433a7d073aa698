"""Clauses against facts: whether a rule takes a study, and what each clause found."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from pydicom.uid import UID

from dicom_node.domain.routing import ClauseVerdict, RuleVerdict, SeriesFacts, StudyFacts
from dicom_node.routing.document import AgeRange, Patterns, Rule, When
from dicom_node.routing.expressions import TooSlow, is_found
from dicom_node.routing.patient_age import age_in_years

PRIORITY_KEYWORDS = ("RequestedProcedurePriority", "StudyPriorityID")

Found = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeriesClause:
    """What one series must fit."""

    clause: str
    wanted: str
    found_in: Callable[[SeriesFacts], Found]
    fits: Callable[[Found], tuple[Found, bool]]

    def verdict(self, series: SeriesFacts | None) -> ClauseVerdict:
        found, holds = self.fits(self.found_in(series)) if series is not None else ((), False)
        return ClauseVerdict(clause=self.clause, wanted=self.wanted, found=found, holds=holds)


def verdict_of(rule: Rule, facts: StudyFacts, *, timezone: str = "") -> RuleVerdict:
    """Compare every clause of the rule with the study.

    The clauses about series are compared with the series that fits most of them, the first of several.

    Parameters
    ----------
    timezone
        Of the time of day; empty: the system's.
    """
    about_study = tuple(_study_verdicts(rule.when, facts, timezone))
    clauses = tuple(_series_clauses(rule.when))
    if not clauses:
        return RuleVerdict(rule=rule.name, clauses=about_study)
    uid, fitting = "", tuple(clause.verdict(None) for clause in clauses)
    for series in facts.series:
        verdicts = tuple(clause.verdict(series) for clause in clauses)
        if not uid or _held(verdicts) > _held(fitting):
            uid, fitting = series.series_instance_uid, verdicts
    return RuleVerdict(rule=rule.name, clauses=(*about_study, *fitting), series_instance_uid=uid)


def fits_patterns(patterns: Patterns, values: Iterable[str]) -> bool:
    """Tell whether a value is what one of the patterns stands for; an empty pattern wants no value."""
    present = [value for value in values if value]
    if not present:
        return "" in patterns
    return any(_compiled(pattern).match(value) for pattern in patterns for value in present)


def _study_verdicts(when: When, facts: StudyFacts, timezone: str) -> Iterator[ClauseVerdict]:
    if when.calling_ae:
        found = tuple(sorted(facts.calling_ae_titles))
        yield _said("calling_ae", ", ".join(when.calling_ae), found, fits_patterns(when.calling_ae, found))
    if when.study_description:
        found, holds = _fits_expression(when.study_description, _anywhere(facts, "StudyDescription"))
        yield _said("study_description", when.study_description, found, holds)
    if when.priority:
        found = _anywhere(facts, *PRIORITY_KEYWORDS)
        yield _said("priority", ", ".join(when.priority), found, fits_patterns(when.priority, found))
    if when.age is not None:
        yield _age_verdict(when.age, facts)
    if when.time:
        zone = ZoneInfo(timezone) if timezone else None
        at = facts.completed_at.astimezone(zone)
        yield _said("time", when.time, (f"{at:%H:%M} {at:%Z}".strip(),), _is_within(when.time, at))


def _series_clauses(when: When) -> Iterator[_SeriesClause]:
    named = (
        ("modality", when.modality, ("Modality",)),
        ("body_part", when.body_part, ("BodyPartExamined",)),
        ("view", when.view, ("ViewPosition",)),
        ("institution", when.institution, ("InstitutionName",)),
        ("station", when.station, ("StationName", "PerformedStationAETitle")),
        *((f"keywords.{keyword}", patterns, (keyword,)) for keyword, patterns in when.keywords.items()),
    )
    for clause, patterns, keywords in named:
        if patterns:
            yield _pattern_clause(clause, patterns, partial(_values, keywords=keywords))
    if when.sop_class:
        yield _pattern_clause("sop_class", when.sop_class, _sop_classes)
    if when.series_description:
        yield _SeriesClause(
            clause="series_description",
            wanted=when.series_description,
            found_in=partial(_values, keywords=("SeriesDescription",)),
            fits=lambda found: _fits_expression(when.series_description, found),
        )


def _pattern_clause(
    clause: str, patterns: Patterns, found_in: Callable[[SeriesFacts], Found]
) -> _SeriesClause:
    return _SeriesClause(
        clause=clause,
        wanted=", ".join(pattern or '""' for pattern in patterns),
        found_in=found_in,
        fits=lambda found: (found, fits_patterns(patterns, found)),
    )


def _sop_classes(series: SeriesFacts) -> Found:
    uids = sorted(series.sop_class_uids)
    return tuple(dict.fromkeys(name for uid in uids for name in (uid, UID(uid).keyword) if name))


def _fits_expression(expression: str, found: Found) -> tuple[Found, bool]:
    try:
        return found, any(is_found(expression, value) for value in found)
    except TooSlow as slow:
        return (*found, f"(counts as not found: {slow})"), False


def _age_verdict(wanted: AgeRange, facts: StudyFacts) -> ClauseVerdict:
    ends = "-".join("" if end is None else f"{end:g}" for end in (wanted.min, wanted.max))
    for series in facts.series:
        known = age_in_years(series.header, facts.completed_at.date())
        if known is not None:
            years, origin = known
            return _said("age", f"{ends} years", (f"{years:.4g} years ({origin})",), _has_age(wanted, years))
    return _said("age", f"{ends} years", (), False)


def _has_age(wanted: AgeRange, years: float) -> bool:
    if wanted.min is not None and years < wanted.min:
        return False
    if wanted.max is None:
        return True
    return (years // 1 if wanted.max == wanted.max // 1 else years) <= wanted.max


def _is_within(span: str, at: datetime) -> bool:
    first, last = (time.fromisoformat(end) for end in span.split("-"))
    now = at.time().replace(second=0, microsecond=0)
    return first <= now < last if first < last else now >= first or now < last


def _anywhere(facts: StudyFacts, *keywords: str) -> Found:
    return tuple(dict.fromkeys(value for series in facts.series for value in _values(series, keywords)))


def _values(series: SeriesFacts, keywords: tuple[str, ...]) -> Found:
    return tuple(value for keyword in keywords for value in series.header.get(keyword, ()))


def _held(verdicts: Iterable[ClauseVerdict]) -> int:
    return sum(verdict.holds for verdict in verdicts)


def _said(clause: str, wanted: str, found: Found, holds: bool) -> ClauseVerdict:
    return ClauseVerdict(clause=clause, wanted=wanted, found=found, holds=holds)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return what ``*`` and ``?`` stand for; a bracket is only a bracket, and no star takes long."""
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")), re.IGNORECASE)
