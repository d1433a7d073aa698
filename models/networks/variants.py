"""Options in a network's name, for recipes and cards: ``dspp_cid_resnet18:stages=5+6,join=residual``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from models.errors import UnbuildableNetwork
from models.networks.dynamic_fusion import Fusion
from models.networks.enhanced import EnhancedOptions, Join
from models.networks.infection_attention import AttentionOptions, Gate, Inner
from models.networks.modified import FusionOptions, LastLayer
from models.networks.normalisation import Norm
from models.networks.spatial_pyramid import Align, Mix


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """Of a network that is what it is."""


NetworkOptions = EnhancedOptions | FusionOptions | NoOptions
SEPARATOR = ":"
NONE, OWN, ON = "none", "own", "on"
"""No stage or no module; the network's own value; a module with its defaults."""
Parse = Callable[[str], Any]  # into the option's own type; dataclasses.replace takes nothing narrower


def name_and_items(name: str) -> tuple[str, str]:
    """Return the network's name without options, and the options' text."""
    plain, _, items = name.partition(SEPARATOR)
    return plain, items


def with_items(options: NetworkOptions, items: str) -> NetworkOptions:
    """Return options changed by ``key=value,key=value``.

    Raises
    ------
    UnbuildableNetwork
        An option that the network does not have, or a value that it does not take.
    """
    for item in filter(None, items.split(",")):
        key, _, value = item.partition("=")
        try:
            options = _changed(options, key.strip(), value.strip())
        except (KeyError, ValueError):
            known = ", ".join(taken(options)) or NONE
            raise UnbuildableNetwork(f"no option {item!r}; known options: {known}") from None
    return options


def spelled(options: NetworkOptions) -> dict[str, str]:
    """Return every option with its value, as ``with_items`` reads them."""
    match options:
        case EnhancedOptions(pyramid=pyramid, attention=attention):
            shown = {key: _text(getattr(pyramid, key)) for key in _PYRAMID}
            shown["join"] = _text(options.join)
            shown["cid"] = NONE if attention is None else ON
            return shown | {key: _text(getattr(attention, key)) for key in _ATTENTION if attention}
        case FusionOptions():
            return {key: _text(getattr(options, key)) for key in _FUSION}
        case NoOptions():
            return {}


def taken(options: NetworkOptions) -> dict[str, str]:
    """Return for every option what it may be."""
    match options:
        case EnhancedOptions():
            readers = {**_PYRAMID, "join": _JOIN, "cid": _CID, **_ATTENTION}
        case FusionOptions():
            readers = _FUSION
        case NoOptions():
            readers = {}
    return {key: reader.takes for key, reader in readers.items()}


def _changed(options: NetworkOptions, key: str, value: str) -> NetworkOptions:
    match options:
        case EnhancedOptions():
            return _changed_modules(options, key, value)
        case FusionOptions():
            return replace(options, **{key: _FUSION[key].parse(value)})
        case NoOptions():
            raise KeyError(key)


def _changed_modules(options: EnhancedOptions, key: str, value: str) -> EnhancedOptions:
    if key in _PYRAMID:
        return replace(options, pyramid=replace(options.pyramid, **{key: _PYRAMID[key].parse(value)}))
    if key == "join":
        return replace(options, join=_JOIN.parse(value))
    if key == "cid":
        return replace(options, attention=_CID.parse(value))
    attention = options.attention or AttentionOptions()
    return replace(options, attention=replace(attention, **{key: _ATTENTION[key].parse(value)}))


def _stages(text: str) -> tuple[int, ...]:
    return () if text == NONE else tuple(int(stage) for stage in text.split("+"))


def _text(value: object) -> str:
    match value:
        case None:
            return OWN
        case Enum():
            return str(value.value)
        case tuple():
            return "+".join(map(str, value)) or NONE
        case float():
            return f"{value:g}"
        case _:
            return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """How an option's text is read, and what it may be."""

    parse: Parse
    takes: str


def _one_of(kind: type[Enum]) -> _Value:
    by_text = {str(member.value): member for member in kind}
    return _Value(parse=by_text.__getitem__, takes=" | ".join(by_text))


def _or_own(value: _Value) -> _Value:
    return _Value(
        parse=lambda text: None if text == OWN else value.parse(text), takes=f"{value.takes} | {OWN}"
    )


_WHOLE, _NUMBER = _Value(parse=int, takes="whole number"), _Value(parse=float, takes="number")
_PYRAMID: dict[str, _Value] = {
    "stages": _Value(parse=_stages, takes=f"1 to 6 joined by + | {NONE}"),
    "alpha": _NUMBER,
    "align": _one_of(Align),
    "mix": _one_of(Mix),
    "width": _or_own(_WHOLE),
}
_JOIN = _one_of(Join)
_CID = _Value(parse={NONE: None, ON: AttentionOptions()}.__getitem__, takes=f"{ON} | {NONE}")
_ATTENTION: dict[str, _Value] = {"maps": _WHOLE, "inner": _one_of(Inner), "gate": _one_of(Gate)}
_FUSION: dict[str, _Value] = {
    "fusion": _one_of(Fusion),
    "norm": _or_own(_one_of(Norm)),
    "width": _or_own(_WHOLE),
    "dropout": _or_own(_NUMBER),
    "last": _one_of(LastLayer),
}
