"""Deployment: how a model takes part in reading, and the log of what people decided about that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

EVERY_RULE = "*"
"""The rule of a stage that stands for all rules, and for what no rule takes."""


class ModelMode(Enum):
    """How a model takes part in reading."""

    OFF = "off"
    SHADOW = "shadow"
    """It reads, and what it says never leaves the database."""
    CANARY = "canary"
    """ACTIVE for a share of the studies, chosen by their Study Instance UID; SHADOW for the others."""
    ACTIVE = "active"


StageKey = tuple[str, str, str]
"""Rule, model name, version."""
Stages = Mapping[StageKey, tuple[ModelMode, float]]
"""What stands above the routes: the mode, and the share of a canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One entry of the log: how a model takes part where a rule takes the study, whatever the routes say."""

    number: int
    act: UUID
    """Entries of one act belong together, and are rolled back together."""
    undoes: UUID | None
    """The act that this one rolls back."""
    rule: str
    model_name: str
    model_version: str
    mode: ModelMode | None
    """None: as the routes say, as if there had been no stage."""
    share: float
    reason: str
    changed_at: datetime
    changed_by: str

    @property
    def key(self) -> StageKey:
        """What the entry is about."""
        return (self.rule, self.model_name, self.model_version)


def standing(log: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the entries of a log, oldest first, that nothing newer has replaced or rolled back.

    The newest word wins: one about every rule also ends what was said before about single rules.
    """
    entries = tuple(log)
    undone = {stage.undoes for stage in entries}
    newest: dict[StageKey, Stage] = {}
    for stage in entries:
        if stage.undoes is not None or stage.act in undone:
            continue
        if stage.rule == EVERY_RULE:
            newest = {key: old for key, old in newest.items() if key[1:] != stage.key[1:]}
        newest.pop(stage.key, None)
        newest[stage.key] = stage
    return tuple(newest.values())


def latest_act(log: Iterable[Stage], rule: str, model_name: str) -> tuple[Stage, ...]:
    """Return the newest act about a model under a rule that is not rolled back; empty when there is none."""
    entries = tuple(log)
    undone = {stage.undoes for stage in entries}
    for stage in reversed(entries):
        is_about = (stage.rule, stage.model_name) == (rule, model_name)
        if is_about and stage.undoes is None and stage.act not in undone:
            return tuple(one for one in entries if one.act == stage.act)
    return ()


def stages_of(standing_stages: Iterable[Stage]) -> Stages:
    """Return what a decision needs of the standing entries."""
    return {stage.key: (stage.mode, stage.share) for stage in standing_stages if stage.mode is not None}
