"""Worklist items: studies as a reader would take them up, most urgent first."""

from dataclasses import dataclass

from dicom_node.domain.delivery import Delivery
from dicom_node.domain.finding import Analysis
from dicom_node.domain.study import Study

URGENT = 2
ROUTINE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistItem:
    """A study, what was said of it, and whether that reached its Destinations."""

    study: Study
    analyses: tuple[Analysis, ...]
    deliveries: tuple[Delivery, ...]
