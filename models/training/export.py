"""From checkpoints to shipped weights: rounding, calibration, gate, figures, graph, manifest and card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from models.contract import BorderBaseline, GateSettings, ModelCard, ModelComparison
from models.datasets.manifest import EXTERNAL, ImageRow, external
from models.evaluation.answers import AnsweredRows, Outputs, answered_rows
from models.evaluation.border_baseline import border_baselines
from models.evaluation.by_source import scores_by_source, unknown_label_counts
from models.evaluation.calibration import Calibration, cross_calibrated, fit_calibration, operating_points
from models.evaluation.key_figures import key_figures
from models.evaluation.metrics import score
from models.evaluation.pairing import compare
from models.evaluation.predictions import RECORDED, write_predictions
from models.installation import weights_digest
from models.networks.sizes import count_parameters, size_megabytes
from models.sealing import seal
from models.training import statements
from models.training.gate_fit import fit_gate
from models.training.material import (
    Advance,
    Material,
    finished_state,
    material_of,
    shift_logits,
    stored_tensors,
    trained_network,
)
from models.training.recipe import Recipe
from models.training.recipes import BASELINE_OF, recipe_named
from models.training.session import Run, Workspace
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
    calibrated: AnsweredRows
    """Validation rows as the calibration that ships answers them: it was fitted on them."""
    validation: AnsweredRows
    """The same rows, calibrated by other groups of them: what every figure is of."""
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
    if material.refitted:
        write_predictions(measured.validation, folder / RECORDED)
    return Exported(card=seal(card.model_copy(update={"folder": folder})), folder=folder)


def _measure(material: Material, validation: Outputs) -> _Measured:
    recipe, split = material.recipe, material.split
    calibration = _calibration(material, validation)
    answered = _judged(material, validation)
    for network in {material.judged, material.shipped}:
        shift_logits(network, calibration.offsets)
    return _Measured(
        calibration=calibration,
        calibrated=_calibrated(material, validation, calibration),
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


def _judged(material: Material, validation: Outputs) -> AnsweredRows:
    recipe = material.recipe
    return cross_calibrated(material.split.validation, validation.logits, recipe.labels, seed=recipe.seed)


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
    if not material.workspace.checkpoint(recipe).exists():
        return None
    network = trained_network(recipe, finished_state(recipe, material.workspace, Run.HELD_OUT))
    outputs = material.outputs("baseline", network, material.split.validation)
    return compare(answered, _judged(material, outputs), name=name, seed=material.recipe.seed)


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
        operating_points=operating_points(measured.calibrated.answers(), seed=recipe.seed),
        gate=gate,
        weights_sha256=digest,
        training=training_summary(material, measured.calibration.offsets),
        validation=score(answers, seed=recipe.seed),
        validation_by_source=scores_by_source(answered, seed=recipe.seed),
        external=scores_by_source(elsewhere, seed=recipe.seed),
        unknown_labels=unknown_label_counts(measured.external),
        border_baselines=measured.baselines,
        key_figures=(
            *key_figures(answered, measured.baselines, seed=recipe.seed),
            *key_figures(elsewhere, (), seed=recipe.seed),
        ),
        compared=measured.compared,
        limits=(*statements.limits_of(recipe, kind), *_unjudged(material), *_nowhere_else(measured)),
    )


def _unjudged(material: Material) -> tuple[str, ...]:
    """Name the sources that trained the model and on which nothing was held out."""
    judged = {row.source for row in material.split.validation}
    alone = sorted({row.source for row in material.split.training} - judged)
    if not alone:
        return ()
    return (f"Nothing was held out of {', '.join(alone)}: no figure is about it.",)


def _nowhere_else(measured: _Measured) -> tuple[str, ...]:
    """Say what no other collection could show."""
    elsewhere = {row.label for row in measured.external.rows if row.part == EXTERNAL}
    missing = [label for label in measured.external.labels if label not in elsewhere]
    if not missing:
        return ()
    return (f"No film or slice of another collection shows {', '.join(missing)}: unknown elsewhere.",)
