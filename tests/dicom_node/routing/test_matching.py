"""Clauses against facts: what each finds, and whether it holds."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import RuleVerdict, SeriesFacts, StudyFacts
from dicom_node.routing.document import Rule, When
from dicom_node.routing.matching import fits_patterns, verdict_of
from dicom_node.routing.patient_age import age_in_years
from tests.dicom_node.routing.facts import series_of, study_of

CT = series_of(
    1,
    sop_class="1.2.840.10008.5.1.4.1.1.2",
    Modality="CT",
    BodyPartExamined="CHEST",
    SeriesDescription="Lung 1.0 axial",
    StudyDescription="CT Thorax native",
    InstitutionName="Universitätsklinik",
    StationName="CT01",
    PatientBirthDate="20080302",
    StudyDate="20260301",
)
SCOUT = series_of(2, sop_class="1.2.840.10008.5.1.4.1.1.2", Modality="CT", SeriesDescription="Scout")
FILM = series_of(3, Modality="DX", ViewPosition="PA", BodyPartExamined="CHEST", PatientAge="017Y")


def verdict(when: dict[str, object], *series: SeriesFacts, at: datetime | None = None) -> RuleVerdict:
    facts = study_of(*series)
    if at is not None:
        facts = replace(facts, completed_at=at)
    return verdict_of(Rule(name="r", when=When.model_validate(when)), facts, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"calling_ae": ["er_*"]}, True),
        ({"calling_ae": ["ICU", "ER"]}, False),
        ({"modality": ["ct"]}, True),
        ({"modality": ["C?"]}, True),
        ({"modality": ["C"]}, False),
        ({"modality": ["[CM]T"]}, False),
        ({"sop_class": ["CTImageStorage"]}, True),
        ({"sop_class": ["1.2.840.10008.5.1.4.1.1.2"]}, True),
        ({"sop_class": ["Enhanced*"]}, False),
        ({"body_part": ["chest"]}, True),
        ({"view": ["PA"]}, False),
        ({"view": [""]}, True),
        ({"view": ["*"]}, False),
        ({"study_description": "thorax|chest"}, True),
        ({"study_description": "^thorax"}, False),
        ({"series_description": r"lung\s1"}, True),
        ({"institution": ["univ*klinik"]}, True),
        ({"station": ["ct0?"]}, True),
        ({"station": ["CT02"]}, False),
        ({"priority": ["STAT"]}, False),
        ({"priority": ["STAT", ""]}, True),
        ({"keywords": {"StudyDate": ["202603*"], "Modality": ["CT"]}}, True),
        ({"keywords": {"StudyDate": ["202602*"]}}, False),
        ({"age": {"max": 17}}, True),
        ({"age": {"min": 18}}, False),
        ({"age": {"min": 17, "max": 17}}, True),
    ],
)
def test_a_clause_holds_or_not(when: dict[str, object], holds: bool) -> None:
    assert verdict(when, CT).holds is holds


def test_clauses_about_series_hold_only_when_one_series_fits_all() -> None:
    when = {"modality": ["CT"], "view": ["PA"]}
    assert not verdict(when, CT, FILM).holds
    assert verdict({"modality": ["DX"], "view": ["PA"]}, CT, FILM).holds


def test_the_verdict_shows_the_series_that_fits_most() -> None:
    found = verdict({"modality": ["CT"], "series_description": "lung", "view": ["PA"]}, SCOUT, CT, FILM)
    assert found.series_instance_uid == CT.series_instance_uid
    assert {clause.clause: clause.holds for clause in found.clauses} == {
        "modality": True,
        "view": False,
        "series_description": True,
    }
    assert {clause.clause: clause.found for clause in found.clauses}["series_description"] == (
        "Lung 1.0 axial",
    )


def test_attributes_of_the_study_may_stand_in_any_series() -> None:
    assert verdict({"modality": ["DX"], "study_description": "thorax"}, FILM, CT).holds


def test_a_study_without_series_holds_no_clause_about_them() -> None:
    assert not verdict({"modality": [""]}).holds
    assert verdict({"calling_ae": ["ER_1"]}).holds


def test_an_expression_that_is_too_slow_counts_as_not_found_and_says_so() -> None:
    hostile = series_of(1, SeriesDescription="a" * 200 + "!")
    found = verdict({"series_description": "(a|aa)+$"}, hostile)
    assert not found.holds
    assert "slower than 0.1 s" in found.clauses[0].found[-1]


@pytest.mark.parametrize(
    ("span", "hour", "holds"),
    [
        ("08:00-17:00", 8, True),
        ("08:00-17:00", 17, False),
        ("22:00-06:00", 23, True),
        ("22:00-06:00", 5, True),
        ("22:00-06:00", 6, False),
        ("22:00-06:00", 12, False),
        ("00:00-00:00", 12, True),
    ],
)
def test_the_time_of_day_is_local_and_may_go_over_midnight(span: str, hour: int, holds: bool) -> None:
    in_summer = datetime(2026, 7, 1, (hour - 2) % 24, 0, tzinfo=UTC)  # Berlin is two hours ahead
    found = verdict({"time": span}, CT, at=in_summer)
    assert found.holds is holds
    assert found.clauses[0].found == (f"{hour:02}:00 CEST",)


@pytest.mark.parametrize(
    ("header", "years"),
    [
        ({"PatientAge": "045Y", "PatientBirthDate": "20200101"}, 45),
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientAge": "010W"}, 0.19),
        ({"PatientAge": "003D"}, 0.01),
        ({"PatientBirthDate": "20080302", "StudyDate": "20260301"}, 18),
        ({"PatientBirthDate": "20080302", "StudyDate": "20260302"}, 18),
        ({"PatientBirthDate": "20040229", "StudyDate": "20260228"}, 22),
        ({"PatientBirthDate": "2008.03.02"}, 18.7),
        ({"PatientBirthDate": "20260301", "StudyDate": "20260201"}, None),
        ({"PatientBirthDate": "UNKNOWN"}, None),
        ({"PatientBirthDate": "20081399"}, None),
        ({"PatientAge": "45"}, None),
        ({}, None),
    ],
)
def test_the_age_is_the_one_at_the_study(header: dict[str, str], years: float | None) -> None:
    known = age_in_years({keyword: (value,) for keyword, value in header.items()}, date(2026, 11, 25))
    assert (
        (known is None)
        if years is None
        else (known is not None and known[0] == pytest.approx(years, abs=0.05))
    )


def test_one_is_seventeen_until_the_eighteenth_birthday() -> None:
    day_before = series_of(1, PatientBirthDate="20080302", StudyDate="20260301")
    birthday = series_of(1, PatientBirthDate="20080302", StudyDate="20260302")
    child, adult = {"age": {"max": 17}}, {"age": {"min": 18}}
    assert [verdict(child, day_before).holds, verdict(adult, day_before).holds] == [True, False]
    assert [verdict(child, birthday).holds, verdict(adult, birthday).holds] == [False, True]


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    assert not fits_patterns(("*a" * 60 + "b",), ["a" * 250])


def test_the_same_facts_give_the_same_verdict() -> None:
    facts = StudyFacts(
        study_instance_uid=StudyInstanceUID("1.2.3"),
        calling_ae_titles=frozenset({"B", "A"}),
        completed_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        series=(CT, FILM),
    )
    rule = Rule(name="r", when=When(calling_ae=("A",), modality=("CT",), time="00:00-23:59"))
    assert verdict_of(rule, facts) == verdict_of(rule, facts)
