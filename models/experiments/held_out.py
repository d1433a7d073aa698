"""Which rows a set of weights has never seen: rebuilt from its card, checked against the card's counts."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from models.contract import ModelCard
from models.datasets.manifest import ImageRow, read_manifest, trainable
from models.datasets.split import Split, split_by_group
from models.errors import ModelsError
from models.training.recipes import RECIPES
from models.training.session import recipe_split

_SHARE = re.compile(r"(\d+)% validation")


class HeldOutUnknown(ModelsError):
    """No split of the manifest is the one that these weights were fitted on."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(
            f"{card.name} {card.version}: the rows that it was not fitted on cannot be told from this data; "
            "give rows of your own by --manifest"
        )
        self.card = card


def held_out_rows(card: ModelCard, data: Path) -> tuple[ImageRow, ...]:
    """Return the rows that the installed weights were not fitted on.

    A recipe may have changed since, and with it its split: a split counts only when its training rows are, by
    source and label, as many as the card says.

    Raises
    ------
    HeldOutUnknown
        There is none such, or the weights were fitted on all rows.
    """
    for split in _candidates(card, data):
        if _counts(split.training) == card.training.rows and split.validation:
            return split.validation
    raise HeldOutUnknown(card)


def _candidates(card: ModelCard, data: Path) -> Iterator[Split]:
    if card.name in RECIPES:
        yield recipe_split(RECIPES[card.name], data)
    share = _SHARE.search(card.training.recipe.get("split", ""))
    if share is not None:
        rows = read_manifest(data / card.training.manifest)
        usable = trainable(rows, card.labels, tuple(card.training.rows))
        yield split_by_group(usable, validation_share=int(share.group(1)) / 100, seed=card.training.seed)


def _counts(rows: tuple[ImageRow, ...]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.source][row.label] += 1
    return {source: dict(labels) for source, labels in counts.items()}
