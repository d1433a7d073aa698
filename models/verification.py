"""Everything that can be checked about installed weights: bytes, graph, card, and what they answer."""

from collections.abc import Callable
from dataclasses import dataclass

from models.catalog import load_engine
from models.contract import ModelCard
from models.errors import CardOutdated, ModelsError
from models.golden import check_golden_prediction
from models.installation import verify_graph, verify_weights
from models.model_card import markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found about one model; an empty text is no fault."""

    card: ModelCard
    faults: dict[str, str]
    """By what was checked: weights, graph, card, golden prediction."""

    @property
    def fault(self) -> str | None:
        """The first fault."""
        return next((fault for fault in self.faults.values() if fault), None)


def verify_whole(card: ModelCard) -> Verification:
    """Check weights, graph, card and golden prediction; what the card does not promise has no fault."""
    checks: dict[str, Callable[[ModelCard], None]] = {
        "weights": verify_weights,
        "graph": verify_graph,
        "card": _check_text,
        "golden prediction": _check_answer,
    }
    return Verification(card=card, faults={what: _fault_of(check, card) for what, check in checks.items()})


def _fault_of(check: Callable[[ModelCard], None], card: ModelCard) -> str:
    try:
        check(card)
    except ModelsError as error:
        return str(error)
    return ""


def _check_text(card: ModelCard) -> None:
    text = card.text.read_text(encoding="utf-8") if card.text.is_file() else None
    if text != markdown(card):
        raise CardOutdated(card.text)


def _check_answer(card: ModelCard) -> None:
    if card.golden:
        check_golden_prediction(card, load_engine(card))
