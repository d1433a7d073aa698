"""Worklist items: studies as a reader would take them up, most urgent first."""

from dataclasses import dataclass

from dicom_node.domain.delivery import Delivery
from dicom_node.domain.finding import Analysis
from dicom_node.domain.study import Study

URGENT = 2
ROUTINE = 5
LEAST_URGENT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistItem:
    """A study, what was said of it, and whether that reached its Destinations."""

    study: Study
    analyses: tuple[Analysis, ...]
    """Those that somebody gets the result of."""
    deliveries: tuple[Delivery, ...]
    shadows: tuple[Analysis, ...] = ()
    """What models in shadow said: for comparing models, and no result of the study."""
