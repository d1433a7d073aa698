"""What the rules decide for a study, and why: the same routes and facts, the same decision."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from dicom_node.domain.deployment import EVERY_RULE, ModelMode, StageKey, Stages
from dicom_node.domain.routing import (
    Decision,
    InstalledModel,
    ModelChoice,
    RuleAction,
    RuleVerdict,
    StudyFacts,
)
from dicom_node.routing.document import Routes, Rule, Then
from dicom_node.routing.matching import verdict_of
from dicom_node.routing.staging import DEFAULT, choices_under, unserved

NO_STAGES: Stages = MappingProxyType({})

_Taken = Mapping[str, Then]


def decide(
    routes: Routes, facts: StudyFacts, models: Sequence[InstalledModel], stages: Stages = NO_STAGES
) -> Decision:
    """Return what becomes of a study.

    Of several rules: the union of what they send, the most urgent priority, de-identification if one wants
    it, DROP before HOLD before READ. A rule that says nothing of models adds none to those that do.

    Parameters
    ----------
    models
        What workers have now; others are left out, with the reason.
    stages
        What people decided about models, above the routes.
    """
    taken = _taken(routes, facts)
    action = _strongest([then.action for then in taken.values()])
    if action is RuleAction.DROP:
        return Decision(rules=tuple(taken), action=action)
    urgencies = [then.priority for then in taken.values() if then.priority is not None]
    return Decision(
        rules=tuple(taken),
        action=action,
        models=_choices(_speaking(taken), facts, models, stages),
        destinations=tuple(dict.fromkeys(name for then in taken.values() for name in then.destinations)),
        forward=tuple(dict.fromkeys(name for then in taken.values() for name in then.forward)),
        priority=min(urgencies, default=None),
        deidentify=any(then.deidentify for then in taken.values()),
        left_out=_left_out(_speaking(taken), models, stages),
    )


def explain(routes: Routes, facts: StudyFacts) -> tuple[RuleVerdict, ...]:
    """Return the verdict of every rule, in their order, also of those after the first that holds."""
    return tuple(verdict_of(rule, facts, timezone=routes.timezone) for rule in routes.rules)


def wants_reading(routes: Routes, rules: Sequence[str]) -> bool:
    """Tell whether one of these rules, as named by a decision, asks for any model."""
    thens = {rule.name: rule.then for rule in routes.rules} | {DEFAULT: routes.default}
    return any(then.models != () for then in _speaking({name: thens[name] for name in rules}).values())


def may_want_reading(routes: Routes) -> bool:
    """Tell whether there is a study that any model would be asked about."""
    return any(then.models != () for then in (*(rule.then for rule in routes.rules), routes.default))


def _taken(routes: Routes, facts: StudyFacts) -> _Taken:
    taken = {}
    for rule in routes.rules:
        if verdict_of(rule, facts, timezone=routes.timezone).holds:
            taken[rule.name] = rule.then
            if routes.match == "first":
                break
    return taken or {DEFAULT: routes.default}


def _strongest(actions: Sequence[RuleAction]) -> RuleAction:
    return next(action for action in (RuleAction.DROP, RuleAction.HOLD, RuleAction.READ) if action in actions)


def _speaking(taken: _Taken) -> _Taken:
    """Return the rules that say something of models; all of them when none does."""
    return {name: then for name, then in taken.items() if then.models is not None} or taken


def _choices(
    taken: _Taken, facts: StudyFacts, models: Sequence[InstalledModel], stages: Stages
) -> tuple[ModelChoice, ...]:
    """Return the models that any of the rules chooses; ACTIVE for one is ACTIVE."""
    chosen: dict[tuple[str, str], ModelChoice] = {}
    for name, then in taken.items():
        for choice in choices_under(name, then.models, facts, models, stages):
            version = (choice.model.name, choice.model.version)
            if version not in chosen or choice.mode is ModelMode.ACTIVE:
                chosen[version] = choice
    return tuple(chosen[version] for version in sorted(chosen))


def _left_out(taken: _Taken, models: Sequence[InstalledModel], stages: Stages) -> tuple[str, ...]:
    rules = tuple(Rule(name=name, then=then) for name, then in taken.items() if name != DEFAULT)
    default = taken.get(DEFAULT, Then())
    alone = Routes.model_construct(rules=rules, default=default)
    return unserved(alone, models, {key: stage for key, stage in stages.items() if _is_about(key, taken)})


def _is_about(key: StageKey, taken: _Taken) -> bool:
    return key[0] == EVERY_RULE or key[0] in taken
