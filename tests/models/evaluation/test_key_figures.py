"""Questions merge labels, and an answer outside a question's classes is wrong."""

from collections.abc import Callable

import pytest

from models.contract import BorderBaseline, Estimate
from models.evaluation.answers import AnsweredRows
from models.evaluation.key_figures import key_figures

CT = ("covid19", "non_covid", "normal")
CXR = ("covid19", "tuberculosis", "pneumonia_bacterial", "pneumonia_viral", "normal")
Make = Callable[..., AnsweredRows]


def test_either_way_of_saying_no_covid_counts_as_no_covid(answered: Make) -> None:
    told = [("covid19", "covid19"), ("covid19", "normal"), ("normal", "non_covid"), ("normal", "normal")]
    rows = answered(told, labels=CT, sources=["mosmed"] * 4)
    (figure,) = key_figures(rows, (), seed=1)
    assert figure.name == "mosmed"
    assert figure.sensitivities["covid19"].value == 0.5
    assert figure.sensitivities["not covid19"].value == 1.0
    assert figure.balanced_accuracy is not None
    assert figure.balanced_accuracy.value == 0.75


def test_an_answer_outside_the_classes_is_wrong(answered: Make) -> None:
    told = [("tuberculosis", "tuberculosis"), ("tuberculosis", "covid19"), ("normal", "normal")]
    rows = answered(told, labels=CXR, sources=["tb-rahman"] * 3)
    figure = next(f for f in key_figures(rows, (), seed=1) if f.name == "tuberculosis-or-normal")
    assert figure.accuracy.value == pytest.approx(2 / 3, abs=1e-4)
    assert figure.sensitivities["tuberculosis"].value == 0.5


def test_a_pneumonia_of_unknown_agent_is_answered_by_either_agent(answered: Make) -> None:
    told = [
        ("pneumonia_unspecified", "pneumonia_viral"),
        ("pneumonia_unspecified", "pneumonia_bacterial"),
        ("pneumonia_unspecified", "normal"),
        ("normal", "normal"),
    ]
    rows = answered(told, labels=CXR, sources=["nih-chestxray8"] * 4)
    figure = next(f for f in key_figures(rows, (), seed=1) if f.name == "nih-pneumonia-or-normal")
    assert figure.sensitivities["pneumonia"].value == pytest.approx(2 / 3, abs=1e-4)


def test_external_films_of_one_class_have_a_sensitivity_and_no_balanced_accuracy(answered: Make) -> None:
    told = [("covid19", "covid19"), ("covid19", "normal")]
    rows = answered(told, labels=CXR, sources=["far", "far"], parts=["external"] * 2)
    (figure,) = key_figures(rows, (), seed=1)
    assert figure.name == "external-films"
    assert figure.balanced_accuracy is None
    assert figure.sensitivities["covid19"].value == 0.5


def test_the_border_baseline_of_the_same_labels_stands_beside(answered: Make) -> None:
    told = [("covid19", "covid19"), ("normal", "normal")]
    rows = answered(told, labels=CT, sources=["mosmed"] * 2)
    baseline = BorderBaseline(
        task="t",
        border_only=0.6,
        whole_thumbnail=0.7,
        chance=0.5,
        source="mosmed",
        labels=("covid19", "normal"),
        border=Estimate(value=0.6),
        thumbnail=Estimate(value=0.7),
    )
    assert key_figures(rows, (baseline,), seed=1)[0].border == Estimate(value=0.6)
    other = baseline.model_copy(update={"labels": ("covid19", "non_covid")})
    assert key_figures(rows, (other,), seed=1)[0].border is None
