"""Jia et al. Tables 15 and 16: how a trained network's answers stand noise, with the spread of repeats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from models.catalog import GATE_PREFIX
from models.contract import ModelCard
from models.datasets.manifest import ImageRow
from models.datasets.pixel_cache import cached_pixels
from models.experiments.noise import CLEAN, FORM_1, FORM_2, Noise, contaminate
from models.experiments.published import NOT_REPRODUCED, TABLE_15, TABLE_16
from models.experiments.result_table import ResultTable
from models.installation import verify
from models.networks.interface import ChestNetwork
from models.networks.registry import build_network
from models.preprocessing import finish_common
from models.preprocessing_spec import Preprocessing
from models.training.checkpoint import read_state
from models.training.recipe import Recipe

BATCH = 16
LEVELS = (CLEAN, *FORM_1, *FORM_2)
FILM_NETWORKS = {"mobilenet_v3_small": 0, "modified_mobilenet_v3_small": 1}
"""The networks of the paper's tables, by the column that they have there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A trained network and how it reads."""

    name: str
    network_name: str
    network: ChestNetwork
    labels: tuple[str, ...]
    preprocessing: Preprocessing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The rows to disturb, how often, and from which seed."""

    rows: tuple[ImageRow, ...]
    root: Path
    cache: Path
    repeats: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePoint:
    """What one level of noise does: a figure a repeat."""

    noise: Noise
    accuracies: tuple[float, ...]
    macro_f1s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """A subject's points, in the order of ``LEVELS``."""

    subject: str
    network: str
    rows: int
    points: tuple[NoisePoint, ...]

    def at(self, noise: Noise) -> NoisePoint:
        """Return the point of a level."""
        return next(point for point in self.points if point.noise == noise)


def installed_subject(card: ModelCard) -> Subject:
    """Load an installed model's network.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        The weights are not there, or are not those of the card.
    """
    verify(card)
    state = {k: v for k, v in load_file(card.weights).items() if not k.startswith(GATE_PREFIX)}
    network = build_network(card.network, classes=len(card.labels))
    network.load_state_dict(state)
    return Subject(
        name=f"{card.name} {card.version}",
        network_name=card.network,
        network=network.eval().to(memory_format=torch.channels_last),
        labels=card.labels,
        preprocessing=card.preprocessing,
    )


def trained_subject(recipe: Recipe, checkpoint: Path) -> Subject:
    """Load the network of a training that was not exported.

    Raises
    ------
    WeightsMissing
        There is no such checkpoint.
    """
    state = read_state(checkpoint)
    network = build_network(recipe.network, classes=len(recipe.labels))
    network.load_state_dict(state["average"] or state["network"])
    return Subject(
        name=f"{recipe.name} (step {state['step']})",
        network_name=recipe.network,
        network=network.eval().to(memory_format=torch.channels_last),
        labels=recipe.labels,
        preprocessing=recipe.preprocessing,
    )


def measure_robustness(subject: Subject, trial: Trial, advance: Callable[[int, int], None]) -> Robustness:
    """Answer the rows clean and at every level; noise depends on seed, repeat, level and row only."""
    pixels = cached_pixels(trial.rows, root=trial.root, cache=trial.cache, spec=subject.preprocessing)
    truth = np.array([subject.labels.index(row.label) for row in trial.rows], dtype=np.int64)
    passes = [
        (level, repeat)
        for level, noise in enumerate(LEVELS)
        for repeat in range(1 if noise == CLEAN else trial.repeats)
    ]
    figures: dict[int, list[tuple[float, float]]] = {level: [] for level in range(len(LEVELS))}
    for done, (level, repeat) in enumerate(passes, start=1):
        key = (trial.seed, repeat, level)
        answer = _answers(subject, pixels, LEVELS[level], key)
        figures[level].append(accuracy_and_macro_f1(truth, answer, len(subject.labels)))
        advance(done, len(passes))
    points = tuple(
        NoisePoint(
            noise=noise,
            accuracies=tuple(accuracy for accuracy, _ in figures[level]),
            macro_f1s=tuple(f1 for _, f1 in figures[level]),
        )
        for level, noise in enumerate(LEVELS)
    )
    return Robustness(subject=subject.name, network=subject.network_name, rows=len(truth), points=points)


def accuracy_and_macro_f1(
    truth: npt.NDArray[np.int64], answer: npt.NDArray[np.int64], labels: int
) -> tuple[float, float]:
    """Return the share of right answers, and the mean F1 over the labels that occur."""
    matrix = np.bincount(truth * labels + answer, minlength=labels * labels).reshape(labels, labels)
    hits, rows, told = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    present = rows > 0
    return float(hits.sum() / rows.sum()), float((2 * hits[present] / (rows + told)[present]).mean())


def robustness_table(measured: Sequence[Robustness], trial: Trial) -> ResultTable:
    """Return a row a level and subject, with the paper's accuracy where it has the network."""
    rows = []
    for form, levels in (("clean", (CLEAN,)), ("1", FORM_1), ("2", FORM_2)):
        for noise in levels:
            for subject in measured:
                point = subject.at(noise)
                rows.append(
                    (
                        form,
                        noise.name,
                        subject.subject,
                        *_mean_and_deviation(point.accuracies),
                        *_mean_and_deviation(point.macro_f1s),
                        published_accuracy(subject.network, noise),
                    )
                )
    return ResultTable(
        title="Robustness against noise",
        columns=(
            "form",
            "level",
            "model",
            "accuracy",
            "accuracy sd",
            "macro F1",
            "macro F1 sd",
            "published accuracy",
        ),
        rows=tuple(rows),
        notes=(
            f"{len(trial.rows)} rows that no model here was fitted on; {trial.repeats} repeats from seed "
            f"{trial.seed}.",
            "Form 1: a + m N(0, 1); form 2: n a + m N(0, 1); clipped to 0..255 and rounded, independent by "
            "pixel and channel, at the network's input size.",
            f"Published: Jia et al. Tables 15 and 16, {NOT_REPRODUCED} (other pictures, other weights).",
        ),
    )


def published_accuracy(network: str, noise: Noise) -> float | None:
    """Return what the paper prints for its network at a level."""
    column = FILM_NETWORKS.get(network)
    printed = TABLE_15.get(int(noise.m)) if noise in FORM_1 else TABLE_16.get(noise.n)
    if column is None or printed is None or noise == CLEAN:
        return None
    return printed[column]


@torch.no_grad()
def _answers(
    subject: Subject, pixels: npt.NDArray[np.uint8], noise: Noise, key: tuple[int, int, int]
) -> npt.NDArray[np.int64]:
    found: list[npt.NDArray[np.int64]] = []
    for first in range(0, len(pixels), BATCH):
        grey = torch.from_numpy(np.array(pixels[first : first + BATCH])).float() / 255
        images = finish_common(grey, subject.preprocessing)
        if noise != CLEAN:
            draws = [np.random.default_rng([*key, first + row]) for row in range(len(grey))]
            images = contaminate(images, noise, draws)
        logits = subject.network(images.contiguous(memory_format=torch.channels_last))
        found.append(logits.argmax(1).numpy())
    return np.concatenate(found)


def _mean_and_deviation(figures: Sequence[float]) -> tuple[float, float | None]:
    deviation = round(float(np.std(figures, ddof=1)), 4) if len(figures) > 1 else None
    return round(float(np.mean(figures)), 4), deviation
