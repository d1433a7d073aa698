"""Which models read under a rule: what the document says, with the stages above it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dicom_node.domain.deployment import EVERY_RULE, ModelMode, Stages
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.routing import InstalledModel, ModelChoice, StudyFacts
from dicom_node.routing.document import ModelUse, Routes

DEFAULT = "default"
"""Names what no rule takes."""
_Version = tuple[str, str]
"""Name and version of a model."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """How a version is to take part, before it is known whether a worker has it."""

    mode: ModelMode
    share: float = 1.0
    weights_sha256: str = ""


def choices_under(
    rule: str,
    uses: tuple[ModelUse, ...] | None,
    facts: StudyFacts,
    models: Sequence[InstalledModel],
    stages: Stages,
) -> tuple[ModelChoice, ...]:
    """Return the models that read a study which a rule took, by name and version, each ACTIVE or SHADOW.

    A stage of the rule stands above one of every rule, and both above the document. A stage may add a model
    that the document does not name, if it reads such images; one of every rule adds none to a rule whose list
    is empty. A model that no worker has, or with other weights than the document pins, is left out:
    :func:`unserved` says so.

    Parameters
    ----------
    uses
        None: every active model that reads such images; an empty tuple: none.
    models
        What the workers have now.
    stages
        Those that stand, see :func:`dicom_node.domain.deployment.standing`.
    """
    reading = [one for one in models if one.modalities & facts.modalities]
    wishes = _wishes(rule, uses, models, stages, reading)
    at_hand = {_version_of(one.model): one.model for one in models}
    choices = []
    for version, wish in sorted(wishes.items()):
        model = at_hand.get(version)
        if model is None or wish.weights_sha256 not in {"", model.weights_sha256}:
            continue
        mode = _decided(wish, model, facts.study_instance_uid)
        if mode is not ModelMode.OFF:
            choices.append(ModelChoice(model=model, mode=mode))
    return tuple(choices)


def unserved(routes: Routes, models: Sequence[InstalledModel], stages: Stages) -> tuple[str, ...]:
    """Say of every model that routes or stages name and no worker can serve why nothing is asked of it."""
    at_hand = {_version_of(one.model): one.model for one in models}
    said = dict.fromkeys(
        f"{where}: {problem}"
        for where, use in _named(routes)
        if use.mode is not ModelMode.OFF and (problem := _problem(use, models))
    )
    for (rule, name, version), (mode, _) in stages.items():
        if mode is not ModelMode.OFF and (name, version) not in at_hand:
            said[f"stage of rule {rule!r}: no worker has {name} {version}, nothing is asked of it"] = None
    return tuple(said)


def in_force(
    routes: Routes, models: Sequence[InstalledModel], stages: Stages
) -> tuple[tuple[str, str, str, str], ...]:
    """Return under each rule every version that the routes or the stages speak of, and how it takes part.

    Returns
    -------
    tuple
        Rule, name and version, what the routes say, and what is in force; each ``-`` where it is not said.
    """
    rows = []
    for rule, uses in _lists(routes):
        document = _wishes(rule, uses, models, {}, models)
        standing = _wishes(rule, uses, models, stages, models)
        for version in sorted({**document, **standing}):
            said, stands = document.get(version), standing.get(version)
            rows.append((rule, " ".join(version), _told(said), _told(stands)))
    return tuple(rows)


def taking_part(
    routes: Routes, models: Sequence[InstalledModel], stages: Stages
) -> tuple[ModelIdentity, ...]:
    """Return the models that may be asked under some rule."""
    wanted = {
        version
        for rule, uses in _lists(routes)
        for version, wish in _wishes(rule, uses, models, stages, models).items()
        if wish.mode is not ModelMode.OFF
    }
    return tuple(one.model for one in models if _version_of(one.model) in wanted)


def pinned_otherwise(routes: Routes, model: ModelIdentity, rule: str) -> tuple[str, ...]:
    """Return the rules, of those that a stage is about, whose pin forbids the model's weights."""
    return tuple(
        name
        for name, uses in _lists(routes)
        if rule in {EVERY_RULE, name}
        for use in uses or ()
        if use.name == model.name
        and use.version in {"", model.version}
        and use.weights_sha256 not in {"", model.weights_sha256}
    )


def falls_within(share: float, model: ModelIdentity, study_instance_uid: str) -> bool:
    """Tell whether a canary is ACTIVE for the study: always the same answer, and a larger share keeps it."""
    digest = hashlib.sha256(f"{model.name}\n{model.version}\n{study_instance_uid}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _wishes(
    rule: str,
    uses: tuple[ModelUse, ...] | None,
    models: Sequence[InstalledModel],
    stages: Stages,
    reading: Sequence[InstalledModel],
) -> dict[_Version, _Wish]:
    """Return how each version is to take part; without a list, or by a stage alone, only those reading do."""
    staged = _staged(rule, uses, stages)
    promoted = {name: version for (name, version), wish in staged.items() if wish.mode is ModelMode.ACTIVE}
    wishes: dict[_Version, _Wish] = {}
    for use in uses if uses is not None else _uses_of_active(reading):
        version = use.version or promoted.get(use.name) or _usual_version(use.name, models)
        wishes[use.name, version] = _Wish(use.mode, use.share, use.weights_sha256)
    addable = {_version_of(one.model) for one in reading}
    for key, wish in staged.items():
        if key in wishes:
            wishes[key] = _Wish(wish.mode, wish.share, wishes[key].weights_sha256)
        elif key in addable:
            wishes[key] = wish
    return wishes


def _staged(rule: str, uses: tuple[ModelUse, ...] | None, stages: Stages) -> dict[_Version, _Wish]:
    """Return what the stages say under a rule, the rule's own above those of every rule."""
    applying = [EVERY_RULE, rule] if uses != () else [rule]
    return {
        (name, version): _Wish(mode, share)
        for applies in applying
        for (of_rule, name, version), (mode, share) in stages.items()
        if of_rule == applies
    }


def _uses_of_active(models: Sequence[InstalledModel]) -> tuple[ModelUse, ...]:
    return tuple(ModelUse(name=one.model.name) for one in models if one.active)


def _usual_version(name: str, models: Sequence[InstalledModel]) -> str:
    """Return the active version, or the newest where a name is only there to be named; empty without one."""
    of_name = [one for one in models if one.model.name == name]
    found = [one for one in of_name if one.active] or sorted(of_name, key=lambda one: _order(one.model))
    return found[-1].model.version if found else ""


def _decided(wish: _Wish, model: ModelIdentity, study_instance_uid: str) -> ModelMode:
    if wish.mode is not ModelMode.CANARY:
        return wish.mode
    return ModelMode.ACTIVE if falls_within(wish.share, model, study_instance_uid) else ModelMode.SHADOW


def _named(routes: Routes) -> Iterator[tuple[str, ModelUse]]:
    for rule, uses in _lists(routes):
        for use in uses or ():
            yield rule if rule == DEFAULT else f"rule {rule!r}", use


def _lists(routes: Routes) -> Iterator[tuple[str, tuple[ModelUse, ...] | None]]:
    yield from ((rule.name, rule.then.models) for rule in routes.rules)
    yield DEFAULT, routes.default.models


def _told(wish: _Wish | None) -> str:
    if wish is None:
        return "-"
    return f"canary {wish.share:.0%}" if wish.mode is ModelMode.CANARY else wish.mode.value


def _problem(use: ModelUse, models: Iterable[InstalledModel]) -> str:
    fitting = [
        one.model for one in models if one.model.name == use.name and use.version in {"", one.model.version}
    ]
    name = f"{use.name} {use.version}".strip()
    if not fitting:
        return f"no worker has {name}, nothing is asked of it"
    if use.weights_sha256 and use.weights_sha256 not in {one.weights_sha256 for one in fitting}:
        pin = use.weights_sha256[:12]
        return f"no worker has {name} with the pinned weights {pin}..., nothing is asked of it"
    return ""


def _version_of(model: ModelIdentity) -> _Version:
    return (model.name, model.version)


def _order(model: ModelIdentity) -> tuple[int, ...]:
    return tuple(int(part) for part in model.version.split(".") if part.isdigit())
