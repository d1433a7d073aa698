"""Training state on disk: written whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from models.errors import CheckpointMismatch, WeightsMissing


class SavedState(TypedDict):
    """What a checkpoint holds; read back with ``weights_only``."""

    fingerprint: str
    step: int
    elapsed_s: float
    phase: int
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    """Running mean of the network's state; empty where the recipe keeps none."""
    start: str
    """Which weights it began with, for people."""
    pretrained: str
    """Checkpoint of the training that it went on from; empty where there was none."""
    finished: bool
    """Whether the schedule has come to its end."""
    optimiser: dict[str, object]


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """The newest state of one run; ``fingerprint`` names the recipe and the split that it belongs to."""

    path: Path
    fingerprint: str

    def save(self, state: SavedState) -> None:
        """Write to a temporary file, flush it to disk and rename it over the last one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)

    def load(self) -> SavedState | None:
        """Return the saved state, or nothing when the run is new.

        Raises
        ------
        CheckpointMismatch
            The checkpoint was made by another recipe, split or seed.
        """
        if not self.path.exists():
            return None
        state = read_state(self.path)
        if state["fingerprint"] != self.fingerprint:
            raise CheckpointMismatch(f"{self.path} was made by another recipe, split or seed")
        return state


def read_state(path: Path) -> SavedState:
    """Return a training's state, whichever recipe made it.

    Raises
    ------
    WeightsMissing
        There is no such checkpoint.
    """
    if not path.exists():
        raise WeightsMissing(path)
    state: SavedState = torch.load(path, map_location="cpu", weights_only=True)
    return state
