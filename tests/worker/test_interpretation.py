"""What a probability means beside its operating point."""

import pytest

from dicom_node.domain.finding import Condition, Presence
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


def test_a_score_at_its_operating_point_is_present(card: ModelCard) -> None:
    threshold = card.operating_points["covid19"].threshold

    found = {f.condition: f for f in findings_from(scores(card, covid19=threshold), card)}

    assert found[Condition.COVID19].presence is Presence.PRESENT
    assert found[Condition.COVID19].operating_point == threshold


def test_the_top_label_below_its_operating_point_is_undetermined(card: ModelCard) -> None:
    raised = card.model_copy(
        update={
            "operating_points": {
                label: point.model_copy(update={"threshold": 0.9})
                for label, point in card.operating_points.items()
            }
        }
    )

    findings = findings_from(scores(card, tuberculosis=0.6), raised)

    assert findings[0].condition is Condition.TUBERCULOSIS
    assert findings[0].presence is Presence.UNDETERMINED
    assert {finding.presence for finding in findings[1:]} == {Presence.ABSENT}


def test_normal_is_not_present_while_another_condition_scores_higher(card: ModelCard) -> None:
    lowered = card.model_copy(
        update={
            "operating_points": {
                label: point.model_copy(update={"threshold": 0.1})
                for label, point in card.operating_points.items()
            }
        }
    )

    found = {f.condition: f for f in findings_from(scores(card, covid19=0.5, normal=0.4), lowered)}

    assert found[Condition.COVID19].presence is Presence.PRESENT
    assert found[Condition.NORMAL].presence is Presence.ABSENT
