"""The training loop: seeded step by step, annealed to the steps or to the time there is, resumable."""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor, nn

from models.datasets.manifest import ImageRow
from models.training.augmentation import augment
from models.training.averaging import WeightAverage
from models.training.checkpoint import CheckpointFile, SavedState
from models.training.precision import autocast, keep_depthwise_in_float32
from models.training.recipe import Optimiser, Phase, Recipe
from models.training.sampling import TrainingSet, narrowed_cross_entropy, sampling_chances

WARM_UP_STEPS = 60
SAVE_EVERY_S = 60.0


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
        fork: CheckpointFile | None = None,
    ) -> None:
        self.recipe, self.training, self.extent, self.checkpoint = recipe, training, extent, checkpoint
        self.fork = fork
        """Where the state at ``recipe.refit_from`` is kept, for the run that goes on with all rows."""
        self.network = network.to(memory_format=torch.channels_last)
        if recipe.bfloat16:
            keep_depthwise_in_float32(self.network)
        self.average = WeightAverage(self.network, recipe.averaging)
        self.step, self.elapsed_s, self.phase = 0, 0.0, 0
        self.start, self.pretrained = recipe.start.value, ""
        self.optimiser = _optimiser(self.network, recipe.phases[0])
        self._chances = sampling_chances(training.rows, recipe.balance, recipe.partial_labels)
        self._allowed = torch.from_numpy(training.allowed)
        state = self.checkpoint.load()
        if state is not None:
            self.take_over(state)

    def run(self, report: Callable[[StepReport], None], *, pause_after: int | None = None) -> Stop:
        """Train to the end of the schedule, or for ``pause_after`` steps; leave a checkpoint either way."""
        last_saved, done = time.monotonic(), 0
        while self.extent.progress(self.step, self.elapsed_s) < 1.0:
            if pause_after is not None and done >= pause_after:
                self.save()
                return Stop.PAUSED
            before = self.extent.progress(self.step, self.elapsed_s)
            report(self._step())
            done += 1
            self._keep_fork(before)
            if time.monotonic() - last_saved > SAVE_EVERY_S:
                self.save()
                last_saved = time.monotonic()
        self.save()
        return Stop.FINISHED

    def save(self) -> None:
        """Write the checkpoint."""
        self.checkpoint.save(self._state(self.checkpoint))

    def take_over(self, state: SavedState) -> None:
        """Go on from a saved state."""
        self.step, self.elapsed_s, self.phase = state["step"], state["elapsed_s"], state["phase"]
        self.network.load_state_dict(state["network"])
        self.average.load(state["average"], steps=state["step"])
        self.start, self.pretrained = state["start"], state["pretrained"]
        self.optimiser = _optimiser(self.network, self.recipe.phases[self.phase])
        self.optimiser.load_state_dict(state["optimiser"])

    def _state(self, file: CheckpointFile) -> SavedState:
        return {
            "fingerprint": file.fingerprint,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "phase": self.phase,
            "network": self.network.state_dict(),
            "average": self.average.state(),
            "start": self.start,
            "pretrained": self.pretrained,
            "finished": self.extent.progress(self.step, self.elapsed_s) >= 1.0,
            "optimiser": self.optimiser.state_dict(),
        }

    def _keep_fork(self, before: float) -> None:
        share = self.recipe.refit_from
        now = self.extent.progress(self.step, self.elapsed_s)
        if self.fork is not None and share is not None and before < share <= now:
            self.fork.save(self._state(self.fork))

    def _step(self) -> StepReport:
        started = time.monotonic()
        progress = self.extent.progress(self.step, self.elapsed_s)
        phase = self._enter_phase(progress)
        rate = self._set_rate(phase, progress)
        images, allowed = self._batch(phase)
        loss = self._update(images, allowed)
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
            if _kind(phases[self.phase]) != _kind(phases[self.phase - 1]):
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

    def _batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        """Draw a batch; the step's number seeds everything, so a resumed run draws the same one."""
        draw = np.random.default_rng([self.recipe.seed, self.step])
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        chosen = draw.choice(len(self._chances), self.recipe.batch_size, p=self._chances)
        grey = torch.from_numpy(self.training.pixels[chosen]).float() / 255
        changed = augment(grey, phase.size, phase.augmentation or self.recipe.augmentation, draw)
        scaled = (changed * self.recipe.preprocessing.pixel_scale)[:, None]
        images = scaled.expand(-1, self.recipe.preprocessing.channels, -1, -1)
        return images.contiguous(memory_format=torch.channels_last), self._allowed[chosen]

    def _update(self, images: Tensor, allowed: Tensor) -> float:
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(self.recipe):
            logits = self.network(images)
        loss = narrowed_cross_entropy(logits.float(), allowed, self.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        self.optimiser.step()
        self.average.follow(self.network)
        return float(loss.detach())


def fingerprint(recipe: Recipe, rows: Sequence[ImageRow], pretrained: str = "") -> str:
    """Return a digest of the recipe, of the rows it trains on and of the training it starts from."""
    digest = hashlib.sha256((repr(recipe) + pretrained).encode())
    for row in rows:
        digest.update(f"{row.file}\t{row.label}\n".encode())
    return digest.hexdigest()


def _kind(phase: Phase) -> tuple[Optimiser, float, float]:
    return phase.optimiser, phase.momentum, phase.weight_decay


def _optimiser(network: nn.Module, phase: Phase) -> torch.optim.Optimizer:
    groups = _decayed_groups(network, phase.weight_decay)
    match phase.optimiser:
        case Optimiser.ADAM:
            return torch.optim.Adam(groups, lr=phase.rate)
        case Optimiser.ADAMW:
            return torch.optim.AdamW(groups, lr=phase.rate)
        case Optimiser.SGD:
            return torch.optim.SGD(groups, lr=phase.rate, momentum=phase.momentum)


def _decayed_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay matrices and kernels only: batch norm and biases keep their scale."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
