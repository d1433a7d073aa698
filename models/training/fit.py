"""The training loop: seeded step by step, annealed to the steps or to the time there is, resumable."""

import hashlib
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.datasets.manifest import ImageRow
from models.training.augmentation import augment
from models.training.checkpoint import CheckpointFile
from models.training.recipe import Optimiser, Phase, Recipe

WARM_UP_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Pictures at the common resolution and what they show, row by row."""

    pixels: npt.NDArray[np.uint8]
    rows: tuple[ImageRow, ...]
    labels: tuple[str, ...]

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Index of each row's label."""
        return np.array([self.labels.index(row.label) for row in self.rows], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long to train: a number of steps, or a wall time to anneal to (which no second run repeats)."""

    steps: int
    budget_s: float | None = None

    def progress(self, step: int, elapsed_s: float) -> float:
        """Return the share of training that is done, in [0, 1]."""
        done = step / self.steps if self.budget_s is None else elapsed_s / self.budget_s
        return min(1.0, done)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Where training stands after a step."""

    step: int
    progress: float
    elapsed_s: float
    loss: float
    rate: float
    size: int


class Stop(Enum):
    """Why ``Trainer.run`` returned."""

    FINISHED = "finished"
    PAUSED = "paused"


class Trainer:
    """One run of a recipe: the network, its optimiser and the place in the schedule."""

    def __init__(
        self,
        *,
        recipe: Recipe,
        network: nn.Module,
        training: TrainingSet,
        extent: Extent,
        checkpoint: CheckpointFile,
    ) -> None:
        self.recipe, self.training, self.extent, self.checkpoint = recipe, training, extent, checkpoint
        self.network = network.to(memory_format=torch.channels_last)
        self.step, self.elapsed_s, self.phase = 0, 0.0, 0
        self.optimiser = _optimiser(self.network, recipe.phases[0])
        self._chances = sampling_chances(training.rows, recipe.balance)
        self._targets = training.targets
        self._resume()

    def run(self, report: Callable[[StepReport], None], *, pause_after: int | None = None) -> Stop:
        """Train to the end of the schedule, or for ``pause_after`` steps; leave a checkpoint either way."""
        last_saved, done = time.monotonic(), 0
        while self.extent.progress(self.step, self.elapsed_s) < 1.0:
            if pause_after is not None and done >= pause_after:
                self.save()
                return Stop.PAUSED
            report(self._step())
            done += 1
            if time.monotonic() - last_saved > 60:
                self.save()
                last_saved = time.monotonic()
        self.save()
        return Stop.FINISHED

    def save(self) -> None:
        """Write the checkpoint."""
        self.checkpoint.save(
            {
                "fingerprint": self.checkpoint.fingerprint,
                "step": self.step,
                "elapsed_s": self.elapsed_s,
                "phase": self.phase,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            }
        )

    def _resume(self) -> None:
        state = self.checkpoint.load()
        if state is None:
            return
        self.step, self.elapsed_s, self.phase = state["step"], state["elapsed_s"], state["phase"]
        self.network.load_state_dict(state["network"])
        self.optimiser = _optimiser(self.network, self.recipe.phases[self.phase])
        self.optimiser.load_state_dict(state["optimiser"])

    def _step(self) -> StepReport:
        started = time.monotonic()
        progress = self.extent.progress(self.step, self.elapsed_s)
        phase = self._enter_phase(progress)
        rate = self._set_rate(phase, progress)
        images, targets = self._batch(phase.size)
        loss = self._update(images, targets)
        self.step += 1
        self.elapsed_s += time.monotonic() - started
        return StepReport(
            step=self.step,
            progress=progress,
            elapsed_s=self.elapsed_s,
            loss=loss,
            rate=rate,
            size=phase.size,
        )

    def _enter_phase(self, progress: float) -> Phase:
        phases = self.recipe.phases
        while self.phase < len(phases) - 1 and progress >= phases[self.phase].until:
            self.phase += 1
            if phases[self.phase].optimiser is not phases[self.phase - 1].optimiser:
                self.optimiser = _optimiser(self.network, phases[self.phase])
        return phases[self.phase]

    def _set_rate(self, phase: Phase, progress: float) -> float:
        begin = self.recipe.phases[self.phase - 1].until if self.phase else 0.0
        share = (progress - begin) / (phase.until - begin)
        rate = phase.last_rate + (phase.rate - phase.last_rate) * 0.5 * (
            1 + math.cos(math.pi * min(1.0, share))
        )
        rate *= min(1.0, (self.step + 1) / WARM_UP_STEPS)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Draw a batch; the step's number seeds everything, so a resumed run draws the same one."""
        draw = np.random.default_rng([self.recipe.seed, self.step])
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        chosen = draw.choice(len(self._targets), self.recipe.batch_size, p=self._chances)
        grey = torch.from_numpy(self.training.pixels[chosen]).float() / 255
        changed = augment(grey, size, self.recipe.augmentation, draw)
        scaled = (changed * self.recipe.preprocessing.pixel_scale)[:, None]
        images = scaled.expand(-1, self.recipe.preprocessing.channels, -1, -1)
        return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(self._targets[chosen])

    def _update(self, images: Tensor, targets: Tensor) -> float:
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
            logits = self.network(images)
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=self.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        self.optimiser.step()
        return float(loss.detach())


def sampling_chances(rows: Sequence[ImageRow], balance: float) -> npt.NDArray[np.float64]:
    """Return each row's chance to be drawn; ``balance`` evens out classes, and sources within a class."""
    classes = Counter(row.label for row in rows)
    strata = Counter(row.stratum for row in rows)
    class_mass = {label: n ** (1 - balance) for label, n in classes.items()}
    source_mass = {stratum: n ** (1 - balance) for stratum, n in strata.items()}
    source_total: dict[str, float] = defaultdict(float)
    for (label, _), mass in source_mass.items():
        source_total[label] += mass
    chances: npt.NDArray[np.float64] = np.array(
        [
            class_mass[r.label] * source_mass[r.stratum] / source_total[r.label] / strata[r.stratum]
            for r in rows
        ]
    )
    chances /= chances.sum()
    return chances


def fingerprint(recipe: Recipe, rows: Sequence[ImageRow]) -> str:
    """Return a digest of the recipe and of the rows that it trains on."""
    digest = hashlib.sha256(repr(recipe).encode())
    for row in rows:
        digest.update(f"{row.file}\t{row.label}\n".encode())
    return digest.hexdigest()


def _optimiser(network: nn.Module, phase: Phase) -> torch.optim.Optimizer:
    match phase.optimiser:
        case Optimiser.ADAM:
            return torch.optim.Adam(network.parameters(), lr=phase.rate)
        case Optimiser.SGD:
            return torch.optim.SGD(network.parameters(), lr=phase.rate)
