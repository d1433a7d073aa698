"""What a probability means beside its operating point."""

import pytest

from dicom_node.domain.finding import Condition, Finding, Presence
from models import catalog
from models.contract import ModelCard
from worker.interpretation import findings_from


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return next(card for card in catalog.installed() if "tuberculosis" in card.labels)


def scores(card: ModelCard, **given: float) -> dict[str, float]:
    rest = (1 - sum(given.values())) / (len(card.labels) - len(given))
    return {label: given.get(label, rest) for label in card.labels}


def test_every_label_becomes_a_finding_most_probable_first(card: ModelCard) -> None:
    findings = findings_from(scores(card, covid19=0.7, normal=0.2), card)

    assert [finding.condition for finding in findings[:2]] == [Condition.COVID19, Condition.NORMAL]
    assert {finding.condition.value for finding in findings} == set(card.labels)


def with_thresholds(card: ModelCard, threshold: float) -> ModelCard:
    points = {
        label: point.model_copy(update={"threshold": threshold})
        for label, point in card.operating_points.items()
    }
    return card.model_copy(update={"operating_points": points})


def presences(findings: tuple[Finding, ...]) -> dict[Condition, Presence]:
    return {finding.condition: finding.presence for finding in findings}


def test_the_top_label_at_its_operating_point_is_present(card: ModelCard) -> None:
    findings = findings_from(scores(card, covid19=0.6), with_thresholds(card, 0.6))

    assert presences(findings)[Condition.COVID19] is Presence.PRESENT
    assert findings[0].operating_point == 0.6


def test_the_top_label_below_its_operating_point_is_undetermined(card: ModelCard) -> None:
    findings = findings_from(scores(card, tuberculosis=0.6), with_thresholds(card, 0.9))

    assert findings[0].condition is Condition.TUBERCULOSIS
    assert findings[0].presence is Presence.UNDETERMINED
    assert {finding.presence for finding in findings[1:]} == {Presence.ABSENT}


def test_another_condition_at_its_operating_point_cannot_be_ruled_out(card: ModelCard) -> None:
    found = presences(findings_from(scores(card, normal=0.7, covid19=0.25), with_thresholds(card, 0.2)))

    assert found[Condition.NORMAL] is Presence.PRESENT
    assert found[Condition.COVID19] is Presence.UNDETERMINED


def test_normal_is_never_present_beside_a_more_probable_condition(card: ModelCard) -> None:
    found = presences(findings_from(scores(card, covid19=0.5, normal=0.4), with_thresholds(card, 0.1)))

    assert found[Condition.COVID19] is Presence.PRESENT
    assert found[Condition.NORMAL] is Presence.ABSENT


def test_at_most_one_label_is_present(card: ModelCard) -> None:
    found = presences(findings_from(scores(card, covid19=0.3), with_thresholds(card, 0.01)))

    assert list(found.values()).count(Presence.PRESENT) == 1
