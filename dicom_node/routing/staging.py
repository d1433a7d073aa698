"""Which models read under a rule: what the document says, with the stages above it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dicom_node.domain.deployment import EVERY_RULE, ModelMode, Stages
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.routing import InstalledModel, ModelChoice, StudyFacts
from dicom_node.routing.document import ModelUse, Routes

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
    wishes = _wishes(rule, uses, facts, models, stages)
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


def falls_within(share: float, model: ModelIdentity, study_instance_uid: str) -> bool:
    """Tell whether a canary is ACTIVE for the study: always the same answer, and a larger share keeps it."""
    digest = hashlib.sha256(f"{model.name}\n{model.version}\n{study_instance_uid}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _wishes(
    rule: str,
    uses: tuple[ModelUse, ...] | None,
    facts: StudyFacts,
    models: Sequence[InstalledModel],
    stages: Stages,
) -> dict[_Version, _Wish]:
    applying = [EVERY_RULE, rule] if uses != () else [rule]
    staged = {
        (name, version): _Wish(mode, share)
        for applies in applying
        for (of_rule, name, version), (mode, share) in stages.items()
        if of_rule == applies
    }
    promoted = {name: version for (name, version), wish in staged.items() if wish.mode is ModelMode.ACTIVE}
    wishes: dict[_Version, _Wish] = {}
    for use in _uses_of_active(facts, models) if uses is None else uses:
        version = use.version or promoted.get(use.name) or _usual_version(use.name, models)
        wishes[use.name, version] = _Wish(use.mode, use.share, use.weights_sha256)
    reads = {_version_of(one.model) for one in models if one.modalities & facts.modalities}
    for key, wish in staged.items():
        if key in wishes:
            wishes[key] = _Wish(wish.mode, wish.share, wishes[key].weights_sha256)
        elif key in reads:
            wishes[key] = wish
    return wishes


def _uses_of_active(facts: StudyFacts, models: Sequence[InstalledModel]) -> tuple[ModelUse, ...]:
    return tuple(
        ModelUse(name=one.model.name) for one in models if one.active and one.modalities & facts.modalities
    )


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
    for rule in routes.rules:
        for use in rule.then.models or ():
            yield f"rule {rule.name!r}", use
    for use in routes.default.models or ():
        yield "default", use


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
