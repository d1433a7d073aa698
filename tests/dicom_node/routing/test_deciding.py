"""Decisions: first match and all matches, what the union is, which models read, what the default does."""

import pytest

from dicom_node.domain.deployment import EVERY_RULE
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.routing import Decision, InstalledModel, ModelMode, RuleAction
from dicom_node.routing.comparing import Effect, compared, effect_of
from dicom_node.routing.deciding import decide, explain, may_want_reading, wants_reading
from dicom_node.routing.document import Routes, parse_routes
from tests.dicom_node.routing.facts import series_of, study_of
from tests.synthetic.stories import study_uid

FILM = study_of(series_of(Modality="DX", BodyPartExamined="CHEST"))


def installed(name: str, *, active: bool = True, version: str = "1.0.0") -> InstalledModel:
    identity = ModelIdentity(name=name, version=version, weights_sha256=(name[0] + version[0]) * 32)
    return InstalledModel(model=identity, modalities=frozenset({"CR", "DX"}), active=active)


MODELS = (installed("champion"), installed("extra", active=False))
PLACES = """
[destinations.A]
address = "A@a:1"
[destinations.B]
address = "B@b:1"
"""


def routes(*rules: str, match: str = "first", default: str = "") -> Routes:
    named = "".join(f'[[rules]]\nname = "r{number}"\n{rule}\n' for number, rule in enumerate(rules))
    return parse_routes(f'match = "{match}"\n{PLACES}\n{named}\n[default]\n{default}\n')


def decided(*rules: str, match: str = "first", default: str = "") -> Decision:
    return decide(routes(*rules, match=match, default=default), FILM, MODELS)


def names(decision: Decision) -> list[str]:
    return [f"{choice.model.name} {choice.mode.value}" for choice in decision.models]


def test_without_rules_the_default_sends_what_every_active_model_says() -> None:
    decision = decided(default='destinations = ["A"]')
    assert (decision.rules, decision.destinations, names(decision)) == (
        ("default",),
        ("A",),
        ["champion active"],
    )


def test_the_first_rule_that_holds_decides_alone() -> None:
    decision = decided(
        'when.modality = ["CT"]\nthen.destinations = ["B"]',
        'then = { destinations = ["A"], priority = 3 }',
        'then = { destinations = ["B"], priority = 0 }',
    )
    assert (decision.rules, decision.destinations, decision.priority) == (("r1",), ("A",), 3)


def test_all_rules_that_hold_decide_together() -> None:
    decision = decided(
        'then = { destinations = ["B"], priority = 4 }',
        'when.modality = ["CT"]\nthen.priority = 0',
        'then = { destinations = ["A", "B"], forward = ["A"], priority = 2, deidentify = true }',
        match="all",
    )
    assert decision.rules == ("r0", "r2")
    assert (decision.destinations, decision.forward) == (("B", "A"), ("A",))
    assert (decision.priority, decision.deidentify) == (2, True)


@pytest.mark.parametrize(
    ("actions", "strongest"),
    [
        (("read", "hold"), RuleAction.HOLD),
        (("hold", "drop", "read"), RuleAction.DROP),
        (("read", "read"), RuleAction.READ),
    ],
)
def test_of_several_actions_the_strongest_counts(actions: tuple[str, ...], strongest: RuleAction) -> None:
    rules = [f'then = {{ action = "{action}", destinations = ["A"], forward = ["A"] }}' for action in actions]
    decision = decided(*rules, match="all")
    assert decision.action is strongest
    if strongest is RuleAction.DROP:
        assert not decision.models
        assert not decision.destinations
        assert not decision.forward


def test_a_rule_that_says_nothing_of_models_adds_none_to_those_that_do() -> None:
    silent = 'then.destinations = ["A"]'
    assert names(decided(silent, 'then.models = [{ name = "extra" }]', match="all")) == ["extra active"]
    assert names(decided(silent, "then.models = []", match="all")) == []
    assert names(decided(silent, silent.replace("A", "B"), match="all")) == ["champion active"]


def test_a_model_that_is_active_for_one_rule_is_active() -> None:
    shadow, active = (
        f'then.models = [{{ name = "extra", mode = "{mode}" }}]' for mode in ("shadow", "active")
    )
    assert names(decided(shadow, active, match="all")) == ["extra active"]
    assert names(decided(active, shadow, match="all")) == ["extra active"]
    assert names(decided(shadow)) == ["extra shadow"]


def test_a_model_that_cannot_be_asked_is_left_out_with_the_reason() -> None:
    pin = "0" * 64
    decision = decided(
        f'then.models = [{{ name = "champion", weights_sha256 = "{pin}" }}, {{ name = "lost" }}]'
    )
    assert not decision.models
    assert decision.left_out == (
        f"rule 'r0': no worker has champion with the pinned weights {pin[:12]}..., nothing is asked of it",
        "rule 'r0': no worker has lost, nothing is asked of it",
    )


def test_problems_of_rules_that_do_not_hold_are_no_reason() -> None:
    decision = decided('when.modality = ["CT"]\nthen.models = [{ name = "lost" }]')
    assert decision.left_out == ()


def test_a_stage_above_the_routes_counts_for_the_rule_that_takes_the_study() -> None:
    ruled = routes('then.destinations = ["A"]')
    stages = {
        ("r0", "extra", "1.0.0"): (ModelMode.SHADOW, 1.0),
        ("r9", "champion", "1.0.0"): (ModelMode.OFF, 1.0),
    }
    assert names(decide(ruled, FILM, MODELS, stages)) == ["champion active", "extra shadow"]
    everywhere = {(EVERY_RULE, "champion", "1.0.0"): (ModelMode.OFF, 1.0)}
    assert names(decide(ruled, FILM, MODELS, everywhere)) == []


def test_a_canary_is_active_for_its_share_and_shadow_for_the_rest() -> None:
    ruled = routes('then.models = [{ name = "extra", mode = "canary", share = 0.25 }]')
    film = series_of(Modality="DX")
    modes = [decide(ruled, study_of(film, number=number), MODELS).models[0].mode for number in range(1, 1001)]
    assert set(modes) == {ModelMode.ACTIVE, ModelMode.SHADOW}
    assert 200 < modes.count(ModelMode.ACTIVE) < 300


def test_the_explanation_covers_the_rules_after_the_first_that_holds() -> None:
    verdicts = explain(routes('when.modality = ["CT"]', "then.priority = 1", 'when.modality = ["D?"]'), FILM)
    assert [(verdict.rule, verdict.holds) for verdict in verdicts] == [
        ("r0", False),
        ("r1", True),
        ("r2", True),
    ]


def test_whether_models_are_wanted_at_all_is_known() -> None:
    sends_on = routes('then = { models = [], forward = ["A"] }', default="models = []")
    assert not may_want_reading(sends_on)
    assert not wants_reading(sends_on, ("r0",))
    mixed = routes('then = { models = [], forward = ["A"] }')
    assert may_want_reading(mixed)
    assert (wants_reading(mixed, ("r0",)), wants_reading(mixed, ("default",))) == (False, True)


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ("then.models = []", 'then.destinations = ["A"]', Effect.GAINED),
        ('then.action = "hold"', 'then.destinations = ["A"]', Effect.GAINED),
        ('then.destinations = ["A"]', 'then.action = "drop"', Effect.LOST),
        ("then.models = []", 'then = { models = [], forward = ["A"] }', Effect.GAINED),
        ('then.destinations = ["A"]', 'then.destinations = ["B"]', Effect.DESTINATION),
        ('then.destinations = ["A", "B"]', 'then.destinations = ["B", "A"]', None),
        ('then.forward = ["A"]', 'then.forward = ["B"]', Effect.DESTINATION),
        ("then.priority = 5", 'then.models = [{ name = "extra" }]', Effect.MODELS),
        ("then.priority = 5", "then.priority = 1", Effect.CONDUCT),
        ("then.deidentify = true", "then.deidentify = false", Effect.CONDUCT),
        ("then.models = []", 'then = { models = [], action = "hold" }', Effect.CONDUCT),
        ("then.priority = 1", "then.priority = 1\nwhen.modality = ['DX']", None),
    ],
)
def test_what_changes_most_for_a_study_is_named(before: str, after: str, effect: Effect | None) -> None:
    assert effect_of(decided(before), decided(after)) is effect


def test_a_backtest_counts_effects_and_rules() -> None:
    none, to_a = decided("then.models = []"), decided("", 'then.destinations = ["A"]', match="all")
    found = compared([(FILM.study_instance_uid, none, to_a), (study_uid(2), to_a, to_a)])
    assert (found.studies, found.counted(Effect.GAINED), found.counted(Effect.LOST)) == (2, 1, 0)
    assert (found.taken_before["r1"], found.taken_after["r1"]) == (1, 2)
