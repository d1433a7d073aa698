"""Two decisions about one study: what the second would do otherwise."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import Decision, RuleAction


class Effect(Enum):
    """The most that changes for a study, the first of these that applies."""

    GAINED = "gained"
    """It is read or sent on, and was not."""
    LOST = "lost"
    """It is neither read nor sent on, and was."""
    DESTINATION = "destination"
    """Its results or originals go elsewhere."""
    MODELS = "models"
    """Other models read it, or the same in another mode."""
    CONDUCT = "conduct"
    """Its priority, de-identification or action is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A study for which other routes decide otherwise."""

    study_instance_uid: StudyInstanceUID
    effect: Effect
    before: Decision
    after: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What other routes would have done with the same studies."""

    studies: int
    changes: tuple[Change, ...]
    taken_before: Counter[str]
    """By each rule, how many studies."""
    taken_after: Counter[str]

    def counted(self, effect: Effect) -> int:
        """Return for how many studies that changes most."""
        return sum(change.effect is effect for change in self.changes)


def compared(pairs: Iterable[tuple[StudyInstanceUID, Decision, Decision]]) -> Backtest:
    """Return the backtest of pairs of decisions, before and after."""
    changes, before_by, after_by, studies = [], Counter[str](), Counter[str](), 0
    for uid, before, after in pairs:
        studies += 1
        before_by.update(before.rules)
        after_by.update(after.rules)
        effect = effect_of(before, after)
        if effect is not None:
            changes.append(Change(study_instance_uid=uid, effect=effect, before=before, after=after))
    return Backtest(studies=studies, changes=tuple(changes), taken_before=before_by, taken_after=after_by)


def effect_of(before: Decision, after: Decision) -> Effect | None:
    """Return the most that changes; None when only the names of the rules do, or nothing."""
    if _goes_on(before) != _goes_on(after):
        return Effect.GAINED if _goes_on(after) else Effect.LOST
    if _places(before) != _places(after):
        return Effect.DESTINATION
    if before.models != after.models:
        return Effect.MODELS
    return Effect.CONDUCT if _conduct(before) != _conduct(after) else None


def _goes_on(decision: Decision) -> bool:
    return decision.action is RuleAction.READ and bool(decision.models or decision.forward)


def _places(decision: Decision) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(decision.destinations), frozenset(decision.forward)


def _conduct(decision: Decision) -> tuple[RuleAction, int | None, bool]:
    return decision.action, decision.priority, decision.deidentify
