"""Which study is read first."""

import pytest

from dicom_node import triage
from dicom_node.domain.finding import Condition, Finding, Presence
from dicom_node.domain.worklist import ROUTINE, URGENT


def finding(condition: Condition, presence: Presence) -> Finding:
    return Finding(condition=condition, probability=0.5, operating_point=0.5, presence=presence)


@pytest.mark.parametrize("condition", [Condition.COVID19, Condition.TUBERCULOSIS])
def test_an_infectious_condition_that_is_present_is_urgent(condition: Condition) -> None:
    findings = [finding(condition, Presence.PRESENT), finding(Condition.NORMAL, Presence.ABSENT)]

    assert triage.rank(findings) == URGENT


def test_pneumonia_comes_after_the_infectious_conditions_and_before_routine() -> None:
    assert URGENT < triage.rank([finding(Condition.PNEUMONIA_VIRAL, Presence.PRESENT)]) < ROUTINE


def test_a_normal_study_is_routine() -> None:
    assert triage.rank([finding(Condition.NORMAL, Presence.PRESENT)]) == ROUTINE


def test_an_undetermined_condition_asks_for_a_look_before_routine() -> None:
    assert triage.rank([finding(Condition.COVID19, Presence.UNDETERMINED)]) == ROUTINE - 1


def test_undetermined_normal_stays_routine() -> None:
    assert triage.rank([finding(Condition.NORMAL, Presence.UNDETERMINED)]) == ROUTINE


@pytest.mark.parametrize("condition", list(Condition))
def test_no_finding_makes_a_study_less_urgent_than_routine(condition: Condition) -> None:
    for presence in Presence:
        assert triage.rank([finding(condition, presence)]) <= ROUTINE
