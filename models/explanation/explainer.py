"""An installed model as an explainer of pictures: what it answers, and which places the answer comes from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.catalog import load, load_network
from models.classifiers import RadiographClassifier, calibrated, most_probable_finding
from models.contract import FloatArray, GateVerdict, ImageKind, ModelCard
from models.errors import MustNotServe, UnusableInput
from models.explanation.method import Method
from models.networks.enhanced import EnhancedNetwork
from models.networks.grad_cam import grad_cam
from models.networks.interface import ChestNetwork, Explained, HeatMapKind
from models.preprocessing import prepare_radiograph
from models.saliency import heat_map, maps_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """A model with what it takes to explain its answers."""

    card: ModelCard
    network: ChestNetwork
    served: RadiographClassifier | None
    """What answers for films in the node, with its gate; none of models that read CT."""
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureExplained:
    """One model's answer to one picture, and where it comes from."""

    card: ModelCard
    label: str
    """The label that is explained."""
    map_name: str
    """What the heat map is."""
    probabilities: dict[str, float]
    logit: float
    """Of the label."""
    scales: tuple[FloatArray, ...]
    """The label's maps (rows_i, columns_i), fine to coarse, in the logit's unit."""
    heat: FloatArray
    """(rows, columns) on the picture's grid, in [0, 1]: what speaks for the label."""
    attention: FloatArray | None
    """(rows, columns) of the coarse grid: what CID multiplies each place with; none without CID."""
    gate: GateVerdict | None

    @property
    def evidence(self) -> tuple[float, ...]:
        """Each scale's contribution to the logit that has a place."""
        return tuple(float(scale.mean()) for scale in self.scales)

    @property
    def unplaced(self) -> float:
        """What of the logit has no place, the bias among it."""
        return self.logit - sum(self.evidence)


def load_explainer(card: ModelCard, method: Method) -> Explainer:
    """Load an installed model.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        The weights are not those of the manifest.
    MustNotServe
        The network is a reproduction that may never answer for a patient.
    UnusableInput
        CAM is asked of a network that has none.
    """
    network = load_network(card)
    if not network.serves:
        raise MustNotServe(card.name, card.network)
    exact = network.heat_map in {HeatMapKind.EXACT, HeatMapKind.EXACT_MULTI_SCALE}
    if method is Method.CAM and not exact:
        raise UnusableInput(f"{card.name} has no exact CAM, but {network.heat_map.value}: use gradcam")
    served = load(card) if card.kind is ImageKind.CHEST_RADIOGRAPH else None
    return Explainer(
        card=card,
        network=network,
        served=served if isinstance(served, RadiographClassifier) else None,
        method=method,
    )


def explain_picture(explainer: Explainer, pixels: FloatArray, label: str | None) -> PictureExplained:
    """Explain the answer to grey pixels (rows, columns) in [0, 1]; by default of the most probable finding.

    A CT slice is a picture too when it was windowed by whoever made it.

    Raises
    ------
    UnusableInput
        The model has no such label.
    """
    card, network = explainer.card, explainer.network
    images = prepare_radiograph(pixels, card.preprocessing)
    with torch.no_grad():
        explained = network.explained(images.contiguous(memory_format=torch.channels_last))
    probabilities = calibrated(explained.logits, card)[0]
    index = _index(label, card) if label else most_probable_finding(probabilities, card)
    maps = _maps(explainer, images, explained, index)
    return PictureExplained(
        card=card,
        label=card.labels[index],
        map_name="Grad-CAM" if explainer.method is Method.GRAD_CAM else network.heat_map.value,
        probabilities=dict(zip(card.labels, probabilities.tolist(), strict=True)),
        logit=float(explained.logits[0, index]),
        scales=tuple(scale.numpy() for scale in maps),
        heat=heat_map(maps, *pixels.shape),
        attention=_attention(network, images),
        gate=explainer.served.classify(pixels).gate if explainer.served else None,
    )


def read_grey(path: Path) -> FloatArray:
    """Return a picture's grey pixels (rows, columns) float32 in [0, 1], 8 or 16 bit.

    Raises
    ------
    UnusableInput
        The file is no picture that can be read.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I;16"):
                return np.asarray(picture, dtype=np.float32) / np.float32(65535)
            return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
    except OSError as error:
        raise UnusableInput(f"{path} is no picture that can be read") from error


def _index(label: str, card: ModelCard) -> int:
    if label not in card.labels:
        raise UnusableInput(f"{card.name} has no label {label!r}; it has {', '.join(card.labels)}")
    return card.labels.index(label)


def _maps(explainer: Explainer, images: Tensor, explained: Explained, index: int) -> tuple[Tensor, ...]:
    if explainer.method is Method.GRAD_CAM:
        return (grad_cam(explainer.network, images)[0, index],)
    return maps_of(explained, 0, index)


@torch.no_grad()
def _attention(network: ChestNetwork, images: Tensor) -> FloatArray | None:
    found = network.attended(images) if isinstance(network, EnhancedNetwork) else None
    return None if found is None else found[0].mean(0).numpy()
