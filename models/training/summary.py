"""What a card says of a training: rows, licences, recipe, cost, and whose figures are whose."""

import hashlib
import subprocess
from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from models.contract import TrainingSummary
from models.training.material import Material
from models.training.recipe import Augmentation, Phase, Recipe


def training_summary(material: Material, offsets: tuple[float, ...]) -> TrainingSummary:
    """Summarise what the stored weights were fitted on, and how."""
    recipe, state, fitted = material.recipe, material.state, material.fitted
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
        validation_seen=material.refitted,
        left_out=dict(sorted(left_out.items())),
        licences={row.source: row.licence for row in sorted(fitted, key=lambda row: row.source)},
        recipe={
            "initial weights": state["start"],
            **recipe_in_words(recipe),
            **(_refit_in_words(recipe) if material.refitted else {}),
            **_offsets_in_words(recipe, offsets),
        },
        steps=state["step"],
        epochs=round(state["step"] * recipe.batch_size / len(material.split.training), 2),
        hours=round(state["elapsed_s"] / 3600, 3),
        seed=recipe.seed,
        date=datetime.now(UTC).date().isoformat(),
        code_commit=_commit(),
        device="CPU" + (", bfloat16 autocast" if recipe.bfloat16 else ", float32"),
    )


def recipe_in_words(recipe: Recipe) -> dict[str, str]:
    """Return a recipe for people."""
    words = {
        "phases": "; ".join(_phase(phase) for phase in recipe.phases),
        "batch": str(recipe.batch_size),
        "loss": f"cross-entropy, label smoothing {recipe.label_smoothing:g}",
        "sampling": f"class and source evened out by the power {recipe.balance:g}",
        "augmentation": _changes(recipe.augmentation),
        "weights kept": f"running mean, decay {recipe.averaging:g}" if recipe.averaging else "last step's",
        "selection": "the end of the schedule; no epoch was chosen by validation",
        "split": f"grouped, {recipe.validation_share:.0%} validation",
    }
    for partial in recipe.partial_labels:
        words[f"rows labelled {partial.label}"] = (
            f"the loss asks for any of {', '.join(partial.one_of)}; weight {partial.weight:g}"
        )
    return words


def _refit_in_words(recipe: Recipe) -> dict[str, str]:
    return {
        "refit": "validation figures are of a run that never saw the validation rows; the stored weights "
        f"left it at {recipe.refit_from or 1:.0%} of the schedule and finished with all rows"
    }


def _changes(augmentation: Augmentation) -> str:
    """Name every change that is made at all, with its strength."""
    named = [
        f"{field.name.replace('_', ' ')} {value:g}"
        for field in fields(augmentation)
        if (value := float(getattr(augmentation, field.name))) and field.name != "mirror"
    ]
    return ", ".join([*named, "mirror" if augmentation.mirror else "no mirror"])


def _offsets_in_words(recipe: Recipe, offsets: tuple[float, ...]) -> dict[str, str]:
    named = ", ".join(f"{label} {value:+.2f}" for label, value in zip(recipe.labels, offsets, strict=True))
    return {"label offsets": f"fitted on validation and added to the last layer's bias: {named}"}


def _phase(phase: Phase) -> str:
    extra = f", momentum {phase.momentum:g}" if phase.momentum else ""
    extra += f", weight decay {phase.weight_decay:g}" if phase.weight_decay else ""
    return (
        f"{phase.optimiser.value} {phase.rate:g} to {phase.last_rate:g}{extra} at {phase.size} px "
        f"until {phase.until:.0%}" + (f" ({_changes(phase.augmentation)})" if phase.augmentation else "")
    )


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
