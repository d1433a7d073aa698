"""From a checkpoint to shipped weights: rounding, calibration, gate, figures, manifest and card."""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor

from models.chest_gate import (
    GateStatistics,
    feature_distance,
    fit_statistics,
    fit_thresholds,
    resemblance,
)
from models.contract import GateSettings, ImageKind, ModelCard, TrainingSummary, card_text
from models.datasets.manifest import ImageRow, external, read_manifest
from models.datasets.pixel_cache import cached_pixels
from models.datasets.split import Split
from models.errors import WeightsMissing
from models.evaluation.answers import Outputs, answers_of, run_network
from models.evaluation.by_source import answers_to_unknown_labels, scores_by_source
from models.evaluation.calibration import fit_temperature, operating_points
from models.evaluation.metrics import score
from models.installation import weights_digest
from models.model_card import markdown
from models.networks.dynamic_fusion import DynamicFusion
from models.networks.registry import build_network
from models.training import statements
from models.training.checkpoint import SavedState
from models.training.recipe import Recipe
from models.training.session import Workspace, recipe_split

HALF_PRECISION_FROM = 5_000_000
"""Networks with more parameters store their matrices as float16; the figures are of those weights."""
Advance = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    card: ModelCard
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """A finished training with everything that is measured on it."""

    recipe: Recipe
    workspace: Workspace
    network: DynamicFusion
    state: SavedState
    rows: tuple[ImageRow, ...]
    split: Split
    advance: Advance

    def outputs(self, name: str, rows: Sequence[ImageRow]) -> Outputs:
        """Run the network over rows."""
        spec = self.recipe.preprocessing
        cache = self.workspace.runs / "cache"
        pixels = cached_pixels(
            rows,
            root=self.workspace.data,
            cache=cache,
            spec=spec,
            advance=lambda i, n: self.advance("decode", i, n),
        )
        return run_network(self.network, pixels, spec, lambda i, n: self.advance(name, i, n))


def export(recipe: Recipe, workspace: Workspace, weights_dir: Path, advance: Advance) -> Exported:
    """Write ``<weights_dir>/<name>/<version>/`` from the recipe's newest checkpoint.

    Raises
    ------
    WeightsMissing
        The recipe was not trained in this workspace.
    """
    material = _material(recipe, workspace, advance)
    validation = material.outputs("validation", material.split.validation)
    statistics, gate = _gate(material, validation)
    folder = weights_dir / recipe.name / recipe.version
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "model.partial"
    tensors = stored_tensors(material.network)
    tensors |= statistics.tensors() if statistics else {}
    save_file(tensors, partial)
    card = _card(material, validation, gate, weights_digest(partial))
    partial.chmod(0o644)
    partial.replace(folder / "model.safetensors")
    (folder / "manifest.json").write_text(card_text(card), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(markdown(card), encoding="utf-8")
    return Exported(card=card.model_copy(update={"folder": folder}), folder=folder)


def stored_tensors(network: DynamicFusion) -> dict[str, Tensor]:
    """Return the network's state as it is stored; large networks lose half the bits of their weight matrices.

    Batch norm's vectors stay float32: with inputs up to 255 their variances leave float16's range.
    """
    large = sum(p.numel() for p in network.parameters()) >= HALF_PRECISION_FROM
    return {
        name: (tensor.half() if large and tensor.ndim > 1 else tensor).detach().contiguous().clone()
        for name, tensor in network.state_dict().items()
    }


def _material(recipe: Recipe, workspace: Workspace, advance: Advance) -> _Material:
    path = workspace.checkpoint(recipe)
    if not path.exists():
        raise WeightsMissing(path)
    state: SavedState = torch.load(path, map_location="cpu", weights_only=True)
    network = build_network(recipe.network, classes=len(recipe.labels))
    network.load_state_dict(state["network"])
    network.load_state_dict(stored_tensors(network))  # what is measured is what is stored
    network.eval().to(memory_format=torch.channels_last)
    return _Material(
        recipe=recipe,
        workspace=workspace,
        network=network,
        state=state,
        rows=read_manifest(workspace.data / recipe.manifest),
        split=recipe_split(recipe, workspace.data),
        advance=advance,
    )


def _gate(material: _Material, validation: Outputs) -> tuple[GateStatistics | None, GateSettings | None]:
    """Fit the chest gate of a film model on its training rows and choose its thresholds on validation."""
    if statements.KINDS[material.recipe.name] is not ImageKind.CHEST_RADIOGRAPH:
        return None, None
    training = material.outputs("gate", material.split.training)
    statistics = fit_statistics(training.thumbnails, training.pooled)
    likeness = resemblance(validation.thumbnails, statistics).double().numpy()
    distance = feature_distance(validation.pooled, statistics).double().numpy()
    settings = fit_thresholds(likeness, distance)
    return statistics, settings.model_copy(
        update={"refused_share": _refusals(material, statistics, settings)}
    )


def _refusals(material: _Material, statistics: GateStatistics, settings: GateSettings) -> dict[str, float]:
    """Return the share refused of validation films made unreadable, and of noise."""
    recipe, workspace = material.recipe, material.workspace
    films = np.array(
        cached_pixels(
            material.split.validation,
            root=workspace.data,
            cache=workspace.runs / "cache",
            spec=recipe.preprocessing,
        )[::5]
    )
    noise = np.random.default_rng(recipe.seed).integers(0, 256, films.shape, dtype=np.uint8)
    shown: dict[str, npt.NDArray[np.uint8]] = {
        "inverted validation films": 255 - films,
        "validation films upside down": films[:, ::-1].copy(),
        "validation films lying on their side": films.transpose(0, 2, 1).copy(),
        "white noise": noise,
    }
    return {name: _refused(material, pictures, statistics, settings) for name, pictures in shown.items()}


def _refused(
    material: _Material, pixels: npt.NDArray[np.uint8], statistics: GateStatistics, settings: GateSettings
) -> float:
    outputs = run_network(material.network, pixels, material.recipe.preprocessing)
    likeness = resemblance(outputs.thumbnails, statistics)
    distance = feature_distance(outputs.pooled, statistics)
    passed = (likeness >= settings.least_resemblance) & (distance <= settings.most_distance)
    return round(1 - float(passed.float().mean()), 4)


def _card(material: _Material, validation: Outputs, gate: GateSettings | None, digest: str) -> ModelCard:
    recipe, rows = material.recipe, material.split.validation
    truth = torch.tensor([recipe.labels.index(row.label) for row in rows])
    temperature = fit_temperature(validation.logits.clone(), truth)
    answers = answers_of(rows, validation.logits, recipe.labels, temperature)
    others = tuple(r for r in material.rows if r.part == "external" or r.label not in recipe.labels)
    outside = tuple(r for r in external(material.rows) if r.label in recipe.labels)
    elsewhere = material.outputs("external", others) if others else None
    known = torch.tensor([row in outside for row in others], dtype=torch.bool)
    parameters = sum(p.numel() for p in material.network.parameters())
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        kind=statements.KINDS[recipe.name],
        labels=recipe.labels,
        titles=recipe.titles,
        target_label=statements.TARGET_LABELS[recipe.name],
        normal_label=statements.NORMAL_LABEL,
        network=recipe.network,
        parameters=parameters,
        megabytes=round(size_megabytes(material.network), 2),
        preprocessing=recipe.preprocessing,
        temperature=temperature,
        operating_points=operating_points(answers, seed=recipe.seed),
        gate=gate,
        weights_sha256=digest,
        training=_training(material),
        validation=score(answers, seed=recipe.seed),
        validation_by_source=scores_by_source(
            rows, validation.logits, recipe.labels, temperature=temperature, seed=recipe.seed
        ),
        external=scores_by_source(
            outside, elsewhere.logits[known], recipe.labels, temperature=temperature, seed=recipe.seed
        )
        if elsewhere
        else {},
        unknown_labels=answers_to_unknown_labels(others, elsewhere.logits, recipe.labels)
        if elsewhere
        else {},
        border_baselines=statements.BORDER_BASELINES[recipe.name],
        limits=statements.LIMITS[recipe.name],
    )


def size_megabytes(network: DynamicFusion) -> float:
    """Return float32 parameters and batch norm statistics in 10^6 bytes, as the paper counts model size."""
    counted = [p.numel() for p in network.parameters()]
    counted += [b.numel() for name, b in network.named_buffers() if "num_batches" not in name]
    return sum(counted) * 4 / 1e6


def _training(material: _Material) -> TrainingSummary:
    recipe, state, fitted = material.recipe, material.state, material.split.training
    manifest = material.workspace.data / recipe.manifest
    counts: dict[str, dict[str, int]] = {}
    for (label, source), n in sorted(Counter(row.stratum for row in fitted).items()):
        counts.setdefault(source, {})[label] = n
    kept = {row.file for row in (*fitted, *material.split.validation)}
    left_out = Counter(f"{row.label} ({row.source})" for row in material.rows if row.file not in kept)
    return TrainingSummary(
        manifest=recipe.manifest,
        manifest_sha256=hashlib.sha256(manifest.read_bytes()).hexdigest(),
        rows=counts,
        groups=len({row.group for row in fitted}),
        validation_rows=len(material.split.validation),
        validation_groups=len({row.group for row in material.split.validation}),
        left_out=dict(sorted(left_out.items())),
        licences={row.source: row.licence for row in sorted(fitted, key=lambda row: row.source)},
        recipe=_recipe_in_words(recipe),
        steps=state["step"],
        epochs=round(state["step"] * recipe.batch_size / len(fitted), 2),
        hours=round(state["elapsed_s"] / 3600, 3),
        seed=recipe.seed,
        date=datetime.now(UTC).date().isoformat(),
        code_commit=_commit(),
        device="one CPU core" + (", bfloat16 autocast" if recipe.bfloat16 else ", float32"),
    )


def _recipe_in_words(recipe: Recipe) -> dict[str, str]:
    phases = "; ".join(
        f"{p.optimiser.value} {p.rate:g} to {p.last_rate:g} at {p.size} px until {p.until:.0%}"
        for p in recipe.phases
    )
    return {
        "initial weights": "random",
        "phases": phases,
        "batch": str(recipe.batch_size),
        "loss": f"cross-entropy, label smoothing {recipe.label_smoothing:g}",
        "sampling": f"class and source evened out by the power {recipe.balance:g}",
        "augmentation": "affine, aspect, gamma, contrast, noise, loss of resolution, borders, boxes, letters"
        + (", mirror" if recipe.augmentation.mirror else ", no mirror"),
        "selection": "last weights; no choice by validation",
        "split": f"grouped, {recipe.validation_share:.0%} validation",
    }


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
