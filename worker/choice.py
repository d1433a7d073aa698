"""The outcome of looking for images that a model can read, before it becomes a Selection or a refusal."""

from dataclasses import dataclass

from pydicom import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen headers, or why there are none."""

    headers: tuple[Dataset, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    """One reason per image of the right modality that was refused."""
