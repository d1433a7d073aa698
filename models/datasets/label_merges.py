"""The five classes of Jia et al. merged to four and to three (their Table 5)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum
from types import MappingProxyType

from models.datasets.labels import (
    BACTERIAL,
    NON_COVID_INFECTION,
    PNEUMONIA,
    TUBERCULOSIS,
    UNSPECIFIED,
    VIRAL,
)
from models.datasets.manifest import ImageRow

_TO_FOUR = {BACTERIAL: PNEUMONIA, VIRAL: PNEUMONIA, UNSPECIFIED: PNEUMONIA}
_TO_THREE = dict.fromkeys((BACTERIAL, VIRAL, UNSPECIFIED, PNEUMONIA, TUBERCULOSIS), NON_COVID_INFECTION)


class LabelMerge(Enum):
    """How many classes are told apart."""

    FIVE = "COVID-19, bacterial pneumonia, viral pneumonia, tuberculosis, healthy"
    FOUR = "COVID-19, non-COVID-19 pneumonia, tuberculosis, healthy"
    THREE = "COVID-19, non-COVID-19 infection, healthy"

    @property
    def mapping(self) -> Mapping[str, str]:
        """Label before to label after; a label that is not in it stays."""
        return LABEL_MERGES[self]


LABEL_MERGES: Mapping[LabelMerge, Mapping[str, str]] = MappingProxyType(
    {
        LabelMerge.FIVE: MappingProxyType({}),
        LabelMerge.FOUR: MappingProxyType(_TO_FOUR),
        LabelMerge.THREE: MappingProxyType(_TO_THREE),
    }
)


def merge_labels(rows: Iterable[ImageRow], merge: LabelMerge) -> tuple[ImageRow, ...]:
    """Return the rows under the merged labels; nothing else of a row changes, so a split stays valid."""
    mapping = merge.mapping
    return tuple(replace(row, label=mapping[row.label]) if row.label in mapping else row for row in rows)
