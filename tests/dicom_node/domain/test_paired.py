"""The paired report: figures of agreement, compared with ones computed by hand and by scipy's definition."""

import pytest

from dicom_node.domain.finding import AnalysisState, Condition, Finding, ModelIdentity, Presence
from dicom_node.domain.paired import Pair, Reading, cohens_kappa, compared, largest_gap, mcnemar_exact

ONE = ModelIdentity(name="one", version="1.0.0", weights_sha256="a" * 64)
OTHER = ModelIdentity(name="other", version="1.0.0", weights_sha256="b" * 64)


def read(probability: float, *, seconds: float | None = 1.0) -> Reading:
    """COVID-19 at this probability, with 0.5 as the operating point of both labels."""
    values = sorted([(probability, Condition.COVID19), (1 - probability, Condition.NORMAL)], reverse=True)
    findings = tuple(
        Finding(
            condition=condition,
            probability=value,
            operating_point=0.5,
            presence=Presence.PRESENT if value >= 0.5 else Presence.ABSENT,
        )
        for value, condition in values
    )
    return Reading(state=AnalysisState.COMPLETED, reason="", findings=findings, seconds=seconds)


def refused(reason: str = "no chest") -> Reading:
    return Reading(state=AnalysisState.NOT_APPLICABLE, reason=reason, findings=(), seconds=0.1)


def pairs(*readings: tuple[Reading, Reading]) -> list[Pair]:
    return [
        Pair(study_instance_uid=f"1.2.{number}", champion=champion, challenger=challenger)
        for number, (champion, challenger) in enumerate(readings)
    ]


def test_kappa_is_the_agreement_beyond_chance() -> None:
    # Cohen's example of many textbooks: 20 both yes, 5 and 10 discordant, 15 both no.
    verdicts = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(verdicts) == pytest.approx(0.4)
    assert cohens_kappa([("y", "n"), ("n", "y")]) == pytest.approx(-1)


def test_kappa_is_undefined_where_chance_alone_agrees_on_everything() -> None:
    assert cohens_kappa([]) is None
    assert cohens_kappa([("y", "y")] * 3) is None


@pytest.mark.parametrize(
    ("only_one", "only_other", "p_value"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (2, 10, 0.03857421875), (6, 6, 1.0), (1000, 1000, 1.0)],
)
def test_the_exact_test_is_the_two_sided_binomial_one(only_one: int, only_other: int, p_value: float) -> None:
    assert mcnemar_exact(only_one, only_other) == pytest.approx(p_value)
    assert mcnemar_exact(only_other, only_one) == pytest.approx(p_value)


def test_the_largest_gap_of_distributions() -> None:
    assert largest_gap([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]) == 0
    assert largest_gap([0.1, 0.2], [0.8, 0.9]) == 1
    assert largest_gap([0.1, 0.5], [0.5, 0.9]) == pytest.approx(0.5)


def test_the_report_counts_agreement_refusals_and_disagreement() -> None:
    found = compared(
        ONE,
        OTHER,
        pairs(
            (read(0.9), read(0.8)),
            (read(0.9), read(0.2)),
            (read(0.1), read(0.3)),
            (refused(), refused()),
            (refused(), read(0.7)),
        ),
    )
    assert (found.studies, found.both_read, found.agree) == (5, 3, 2)
    assert found.table == {
        ("covid19", "covid19"): 1,
        ("covid19", "normal"): 1,
        ("normal", "normal"): 1,
        ("not_applicable", "not_applicable"): 1,
        ("not_applicable", "covid19"): 1,
    }
    assert [pair.study_instance_uid for pair in found.disagreeing] == ["1.2.1", "1.2.4"]
    covid = found.shifts[0]
    assert covid.condition is Condition.COVID19
    assert (covid.only_champion, covid.only_challenger, covid.p_value) == (1, 0, 1.0)
    assert covid.champion_mean == pytest.approx(1.9 / 3)
    assert covid.mean_absolute_difference == pytest.approx((0.1 + 0.7 + 0.2) / 3)


def test_reading_times_are_those_of_studies_that_both_read() -> None:
    found = compared(
        ONE,
        OTHER,
        pairs(
            (read(0.9, seconds=1.0), read(0.9, seconds=3.0)),
            (read(0.9, seconds=2.0), read(0.9, seconds=None)),
            (refused(), read(0.9, seconds=99.0)),
        ),
    )
    assert found.champion_latency is not None
    assert found.champion_latency.median_s == 1.5
    assert found.challenger_latency is not None
    assert (found.challenger_latency.readings, found.challenger_latency.p95_s) == (1, 3.0)


def test_two_models_without_a_common_study_have_nothing_to_compare() -> None:
    found = compared(ONE, OTHER, [])
    assert (found.studies, found.kappa, found.shifts, found.champion_latency) == (0, None, (), None)
