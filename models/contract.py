"""What a model says about itself and what it answers: the words that the worker and the models share."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import ManifestInvalid
from models.preprocessing_spec import Preprocessing

FloatArray = npt.NDArray[np.float32]
RESEARCH_USE = "Research use only. Not a medical device; no clinical decision may rest on its output."


class ImageKind(StrEnum):
    """What a model reads."""

    CHEST_RADIOGRAPH = "chest_radiograph"
    CHEST_CT = "chest_ct"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Frozen):
    """A figure with its 95 % interval by group bootstrap, which is missing where there is one group only."""

    value: float
    low: float | None = None
    high: float | None = None


class OperatingPoint(_Frozen):
    """The threshold from which a label counts as present, chosen on validation, and its figures there."""

    threshold: float = Field(ge=0, le=1)
    sensitivity: Estimate
    specificity: Estimate


class LabelScores(_Frozen):
    """One label against the rest, by the most probable label; what has no denominator is missing."""

    rows: int
    precision: Estimate | None
    sensitivity: Estimate
    specificity: Estimate | None
    f1: Estimate


class SetScores(_Frozen):
    """Scores on one set of rows; ``confusion[i][j]`` counts rows of label i answered as label j."""

    rows: int
    groups: int
    accuracy: Estimate
    balanced_accuracy: Estimate | None
    macro_f1: Estimate | None
    labels: dict[str, LabelScores]
    confusion: dict[str, dict[str, int]]
    expected_calibration_error: float | None = None


class BorderBaseline(_Frozen):
    """A logistic regression on the outer border, which sees almost no lung: how far the source alone goes."""

    task: str
    border_only: float
    whole_thumbnail: float
    chance: float


class GateSettings(_Frozen):
    """Thresholds of the chest gate; its template and feature statistics are in the weights' file."""

    least_resemblance: float
    most_distance: float
    validation_pass_share: float
    refused_share: dict[str, float] = Field(default_factory=dict, description="what else was shown to it")


class TrainingSummary(_Frozen):
    """What the weights were fitted on, and how."""

    manifest: str
    manifest_sha256: str
    rows: dict[str, dict[str, int]] = Field(description="source -> label -> rows fitted")
    groups: int
    validation_rows: int
    validation_groups: int
    left_out: dict[str, int]
    licences: dict[str, str]
    recipe: dict[str, str]
    steps: int
    epochs: float
    hours: float
    seed: int
    date: str
    code_commit: str
    device: str


class ModelCard(_Frozen):
    """Everything about one set of weights, frozen with it in ``manifest.json``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    kind: ImageKind
    labels: tuple[str, ...] = Field(min_length=2)
    titles: tuple[str, ...]
    target_label: str = Field(description="the label by which slices and studies are ranked")
    normal_label: str = Field(description="the label that is no finding")
    network: str
    parameters: int
    megabytes: float
    preprocessing: Preprocessing
    temperature: float = Field(gt=0, description="logits are divided by it before the softmax")
    operating_points: dict[str, OperatingPoint]
    gate: GateSettings | None = None
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    training: TrainingSummary
    validation: SetScores
    validation_by_source: dict[str, SetScores]
    external: dict[str, SetScores]
    unknown_labels: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="rows of labels that the model does not know, by its answer"
    )
    border_baselines: tuple[BorderBaseline, ...]
    limits: tuple[str, ...]
    intended_use: str = RESEARCH_USE
    folder: Path = Field(default=Path(), exclude=True, description="where the card was read; not part of it")

    @property
    def weights(self) -> Path:
        """Path of the weights."""
        return self.folder / "model.safetensors"

    def title_of(self, label: str) -> str:
        """Return a label's name for people."""
        return self.titles[self.labels.index(label)]

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        if len(self.titles) != len(self.labels):
            raise ValueError("titles and labels differ in number")
        if set(self.operating_points) != set(self.labels):
            raise ValueError("every label needs one operating point")
        if not {self.target_label, self.normal_label} <= set(self.labels):
            raise ValueError("target_label and normal_label must be labels")
        return self


def read_card(path: Path) -> ModelCard:
    """Read ``manifest.json``.

    Raises
    ------
    ManifestInvalid
        It is no JSON, or not what a card must be.
    """
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise ManifestInvalid(path, f"{where}: {first['msg']}") from error
    return card.model_copy(update={"folder": path.parent})


def card_text(card: ModelCard) -> str:
    """Return the card as it is stored in ``manifest.json``."""
    return json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """Whether an image is of the kind that the model reads."""

    passed: bool
    score: float
    """Resemblance to chest films of the training set, 1 is most; 0 where a quality check refused first."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RadiographPrediction:
    """One film's answer."""

    probabilities: dict[str, float]
    """Calibrated, by label; they sum to 1."""
    logits: FloatArray
    """(labels,) before the temperature."""
    explained_label: str
    """The label that the heat map explains: the most probable one that is a finding."""
    saliency: FloatArray
    """(rows, columns) on the source pixel grid, in [0, 1]."""
    evidence_by_scale: tuple[float, ...]
    """What the places of each depth add to the explained logit, fine to coarse."""
    gate: GateVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePrediction:
    """A CT study's answer from its axial slices."""

    probabilities: dict[str, float]
    """By label: the mean over ``key_slices``, the tenth that speaks most for ``explained_label``."""
    slice_probabilities: FloatArray
    """(n, labels), calibrated, in the order of the slices given."""
    key_slices: tuple[int, ...]
    """Indices into the slices given, most probable first."""
    explained_label: str
    saliency: FloatArray
    """(key slices, rows, columns) on the source pixel grid, each in [0, 1]."""
    evidence_by_scale: tuple[float, ...]
    """Of the first key slice."""
