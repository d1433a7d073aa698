"""Which weights are installed and whether they are intact; free of torch, so that it answers at once."""

import hashlib
from pathlib import Path

from models.contract import ModelCard, read_card
from models.errors import UnknownModel, WeightsCorrupted, WeightsMissing


def installed(weights_dir: Path | None = None) -> tuple[ModelCard, ...]:
    """Return the cards of the installed models, by name and version; by default those shipped in the package.

    Raises
    ------
    ManifestInvalid
        A manifest does not say what it must.
    """
    folder = weights_dir or shipped_weights()
    return tuple(read_card(path) for path in sorted(folder.glob("*/*/manifest.json")))


def card_named(name: str, weights_dir: Path | None = None) -> ModelCard:
    """Return the newest installed card of a name.

    Raises
    ------
    UnknownModel
        No such model is installed.
    """
    cards = installed(weights_dir)
    matching = [card for card in cards if card.name == name]
    if not matching:
        raise UnknownModel(name, tuple(sorted({card.name for card in cards})))
    return max(matching, key=lambda card: tuple(int(part) for part in card.version.split(".")))


def verify(card: ModelCard) -> None:
    """Check that weights and graph are there and are the ones that the manifest was written for.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        They are not.
    """
    verify_weights(card)
    verify_graph(card)


def verify_weights(card: ModelCard) -> None:
    """Check the weights' file alone."""
    _verify_file(card.weights, card.weights_sha256)


def verify_graph(card: ModelCard) -> None:
    """Check the graph alone, where the card speaks of one."""
    if card.graph_sha256:
        _verify_file(card.graph, card.graph_sha256)


def _verify_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise WeightsMissing(path)
    found = weights_digest(path)
    if found != expected:
        raise WeightsCorrupted(path, expected=expected, found=found)


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shipped_weights() -> Path:
    """Return the folder of the weights that come with the package."""
    return Path(__file__).parent / "weights"
