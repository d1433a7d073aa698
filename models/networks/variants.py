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
NONE, OWN = "none", "own"
"""No stage or no module; the network's own value."""
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
            known = ", ".join(spelled(options)) or NONE
            raise UnbuildableNetwork(f"no option {item!r}; known options: {known}") from None
    return options


def spelled(options: NetworkOptions) -> dict[str, str]:
    """Return every option with its value, as ``with_items`` reads them."""
    match options:
        case EnhancedOptions(pyramid=pyramid, attention=attention):
            shown = {key: _text(getattr(pyramid, key)) for key in _PYRAMID}
            shown["join"] = _text(options.join)
            shown["cid"] = NONE if attention is None else "on"
            return shown | {key: _text(getattr(attention, key)) for key in _ATTENTION if attention}
        case FusionOptions():
            return {key: _text(getattr(options, key)) for key in _FUSION}
        case NoOptions():
            return {}


def _changed(options: NetworkOptions, key: str, value: str) -> NetworkOptions:
    match options:
        case EnhancedOptions():
            return _changed_modules(options, key, value)
        case FusionOptions():
            return replace(options, **{key: _FUSION[key](value)})
        case NoOptions():
            raise KeyError(key)


def _changed_modules(options: EnhancedOptions, key: str, value: str) -> EnhancedOptions:
    if key in _PYRAMID:
        return replace(options, pyramid=replace(options.pyramid, **{key: _PYRAMID[key](value)}))
    if key == "join":
        return replace(options, join=Join(value))
    if key == "cid":
        return replace(options, attention={NONE: None, "on": AttentionOptions()}[value])
    attention = options.attention or AttentionOptions()
    return replace(options, attention=replace(attention, **{key: _ATTENTION[key](value)}))


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


def _or_own(parse: Parse) -> Parse:
    return lambda text: None if text == OWN else parse(text)


_PYRAMID: dict[str, Parse] = {
    "stages": _stages,
    "alpha": float,
    "align": Align,
    "mix": Mix,
    "width": _or_own(int),
}
_ATTENTION: dict[str, Parse] = {"maps": int, "inner": Inner, "gate": Gate}
_FUSION: dict[str, Parse] = {
    "fusion": Fusion,
    "norm": _or_own(Norm),
    "width": _or_own(int),
    "dropout": _or_own(float),
    "last": lambda text: LastLayer(int(text)),
}
