"""From checkpoints to shipped weights: rounding, calibration, gate, figures, graph, manifest and card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from models.contract import BorderBaseline, GateSettings, ModelCard, ModelComparison, SetScores
from models.datasets.manifest import ImageRow, external
from models.evaluation.answers import AnsweredRows, Outputs, answered_rows
from models.evaluation.border_baseline import border_baselines
from models.evaluation.by_source import unknown_label_counts
from models.evaluation.calibration import Calibration, fit_calibration, operating_points
from models.evaluation.key_figures import key_figures
from models.evaluation.metrics import score
from models.evaluation.pairing import compare
from models.installation import weights_digest
from models.networks.sizes import count_parameters, size_megabytes
from models.sealing import seal
from models.training import statements
from models.training.checkpoint import read_state
from models.training.gate_fit import fit_gate
from models.training.material import (
    Advance,
    Material,
    material_of,
    shift_logits,
    stored_tensors,
    trained_network,
)
from models.training.recipe import Recipe
from models.training.recipes import BASELINE_OF, recipe_named
from models.training.session import Workspace
from models.training.summary import training_summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    card: ModelCard
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What the card says of the networks' answers."""

    calibration: Calibration
    validation: AnsweredRows
    external: AnsweredRows
    baselines: tuple[BorderBaseline, ...]
    compared: ModelComparison | None


def export(recipe: Recipe, workspace: Workspace, weights_dir: Path, advance: Advance) -> Exported:
    """Write ``<weights_dir>/<name>/<version>/`` from the recipe's checkpoints.

    Figures on validation rows are of the run that never saw them; the stored weights are those of the refit
    where the recipe has one. Temperature, label offsets and operating points are chosen on the former; the
    offsets go into the last layer's bias of both.

    Raises
    ------
    WeightsMissing
        The recipe was not trained in this workspace.
    """
    material = material_of(recipe, workspace, advance)
    validation = material.outputs("validation", material.judged, material.split.validation)
    measured = _measure(material, validation)
    statistics, gate = fit_gate(material)
    folder = weights_dir / recipe.name / recipe.version
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "model.partial"
    save_file({**stored_tensors(material.shipped), **statistics.tensors()}, partial)
    partial.chmod(0o644)
    card = _card(material, measured, gate, weights_digest(partial))
    partial.replace(folder / "model.safetensors")
    return Exported(card=seal(card.model_copy(update={"folder": folder})), folder=folder)


def _measure(material: Material, validation: Outputs) -> _Measured:
    recipe, split = material.recipe, material.split
    calibration = _calibration(material, validation)
    answered = _calibrated(material, validation, calibration)
    for network in {material.judged, material.shipped}:
        shift_logits(network, calibration.offsets)
    return _Measured(
        calibration=calibration,
        validation=answered,
        external=_elsewhere(material, calibration.temperature),
        baselines=border_baselines(
            split.training,
            material.pixels(split.training),
            split.validation,
            material.pixels(split.validation),
            recipe.labels,
            recipe.seed,
        ),
        compared=_compared(material, answered),
    )


def _calibration(material: Material, validation: Outputs) -> Calibration:
    labels = material.recipe.labels
    truth = torch.tensor([labels.index(row.label) for row in material.split.validation])
    return fit_calibration(validation.logits, truth)


def _calibrated(material: Material, validation: Outputs, calibration: Calibration) -> AnsweredRows:
    return answered_rows(
        material.split.validation,
        validation.logits + torch.tensor(calibration.offsets),
        material.recipe.labels,
        calibration.temperature,
    )


def _elsewhere(material: Material, temperature: float) -> AnsweredRows:
    """Answer what neither run ever saw with the shipped weights: external rows and labels without a class."""
    seen = {row.label for row in material.split.training}
    rows = [*external(material.rows), *_without_class(material.rows, material.recipe, seen)]
    if not rows:
        return AnsweredRows(
            rows=(), labels=material.recipe.labels, probabilities=np.empty((0, len(material.recipe.labels)))
        )
    outputs = material.outputs("elsewhere", material.shipped, rows)
    return answered_rows(rows, outputs.logits, material.recipe.labels, temperature)


def _without_class(rows: Sequence[ImageRow], recipe: Recipe, seen: set[str]) -> list[ImageRow]:
    return [r for r in rows if r.part == "train" and r.label not in recipe.labels and r.label not in seen]


def _compared(material: Material, answered: AnsweredRows) -> ModelComparison | None:
    """Compare with the recipe's baseline on the same validation rows, where that was trained here."""
    name = BASELINE_OF.get(material.recipe.name)
    if name is None:
        return None
    recipe = recipe_named(name)
    path = material.workspace.checkpoint(recipe)
    if not path.exists():
        return None
    network = trained_network(recipe, read_state(path))
    outputs = material.outputs("baseline", network, material.split.validation)
    theirs = _calibrated(material, outputs, _calibration(material, outputs))
    return compare(answered, theirs, name=name, seed=material.recipe.seed)


def _card(material: Material, measured: _Measured, gate: GateSettings, digest: str) -> ModelCard:
    recipe, answered = material.recipe, measured.validation
    answers = answered.answers()
    elsewhere = measured.external.where(measured.external.known)
    kind = statements.kind_of(recipe)
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        kind=kind,
        labels=recipe.labels,
        titles=recipe.titles,
        target_label=statements.TARGET_LABEL,
        normal_label=statements.NORMAL_LABEL,
        network=recipe.network,
        parameters=count_parameters(material.shipped),
        megabytes=round(size_megabytes(material.shipped), 2),
        preprocessing=recipe.preprocessing,
        temperature=measured.calibration.temperature,
        operating_points=operating_points(answers, seed=recipe.seed),
        gate=gate,
        weights_sha256=digest,
        training=training_summary(material, measured.calibration.offsets),
        validation=score(answers, seed=recipe.seed),
        validation_by_source=_by_source(answered, recipe),
        external=_by_source(elsewhere, recipe),
        unknown_labels=unknown_label_counts(measured.external),
        border_baselines=measured.baselines,
        key_figures=(
            *key_figures(answered, measured.baselines, seed=recipe.seed),
            *key_figures(elsewhere, (), seed=recipe.seed),
        ),
        compared=measured.compared,
        limits=statements.limits_of(recipe, kind),
    )


def _by_source(answered: AnsweredRows, recipe: Recipe) -> dict[str, SetScores]:
    sources = np.array([row.source for row in answered.rows])
    return {
        source: score(answered.where(sources == source).answers(), seed=recipe.seed)
        for source in sorted(set(sources.tolist()))
    }
