"""`explain`: one film, its probabilities and where they come from."""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
import typer
from PIL import Image

from models.catalog import load
from models.classifiers import RadiographClassifier
from models.commands.speech import plain_errors
from models.contract import FloatArray, RadiographPrediction
from models.errors import UnusableInput
from models.installation import card_named

STRENGTH = 0.6
"""Opacity of the strongest place."""


def run_explanation(name: str, picture: Path, out: Path, weights: Path | None, *, as_json: bool) -> int:
    """Read the film, print what the model says and write the overlay."""
    torch.set_num_threads(1)
    with plain_errors():
        classifier = load(card_named(name, weights))
        if not isinstance(classifier, RadiographClassifier):
            raise UnusableInput(f"{name} reads CT in HU, not pictures")
        pixels = _grey(picture)
        prediction = classifier.classify(pixels)
    overlay(pixels, prediction.saliency).save(out)
    typer.echo(json.dumps(_as_dict(prediction, out)) if as_json else _as_text(prediction, out))
    return 0


def overlay(pixels: FloatArray, saliency: FloatArray) -> Image.Image:
    """Return the film (rows, columns) with its heat map laid over it, the stronger the more opaque."""
    heat = mpl.colormaps["inferno"](saliency)[..., :3]
    opacity = (STRENGTH * saliency)[..., None]
    mixed = pixels[..., None] * (1 - opacity) + heat * opacity
    return Image.fromarray((mixed * 255).round().astype(np.uint8))


def _grey(path: Path) -> FloatArray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
    except OSError as error:
        raise UnusableInput(f"{path} is no picture that can be read") from error


def _as_dict(prediction: RadiographPrediction, out: Path) -> dict[str, object]:
    return {
        "probabilities": prediction.probabilities,
        "explained_label": prediction.explained_label,
        "evidence_by_scale": prediction.evidence_by_scale,
        "gate": {"passed": prediction.gate.passed, "reason": prediction.gate.reason},
        "heat_map": str(out),
    }


def _as_text(prediction: RadiographPrediction, out: Path) -> str:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    lines = [f"{label:24} {probability:.3f}" for label, probability in ranked]
    shares = ", ".join(f"{value:+.2f}" for value in prediction.evidence_by_scale)
    lines.append(f"gate: {'passed' if prediction.gate.passed else 'refused'}, {prediction.gate.reason}")
    lines.append(f"evidence for {prediction.explained_label} by depth, fine to coarse: {shares}")
    lines.append(f"heat map: {out}")
    return "\n".join(lines)
