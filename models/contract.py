"""What a model says about itself and what it answers: the words that the worker and the models share."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.errors import ManifestInvalid
from models.preprocessing_spec import Preprocessing

FloatArray = npt.NDArray[np.float32]
COMBINED = "combined"
"""Of the gate's scores: the one that lies farthest out."""
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


class AppliedPoint(_Frozen):
    """A threshold on rows that it was not chosen on; what has no rows is missing."""

    threshold: float
    sensitivity: Estimate | None
    specificity: Estimate | None


class LabelScores(_Frozen):
    """One label against the rest, by the most probable label; what has no denominator is missing."""

    rows: int
    precision: Estimate | None
    sensitivity: Estimate
    specificity: Estimate | None
    f1: Estimate
    roc_auc: Estimate | None = None
    """Of the label's probability, one against the rest."""


class SetScores(_Frozen):
    """Scores on one set of rows; ``confusion[i][j]`` counts rows of label i answered as label j."""

    rows: int
    groups: int
    accuracy: Estimate
    balanced_accuracy: Estimate | None
    macro_f1: Estimate | None
    labels: dict[str, LabelScores]
    confusion: dict[str, dict[str, int]]
    roc_auc: Estimate | None = None
    """Mean over the labels that occur, one against the rest."""
    expected_calibration_error: Estimate | None = None

    @field_validator("expected_calibration_error", mode="before")
    @classmethod
    def _figure_without_interval(cls, value: object) -> object:
        return {"value": value} if isinstance(value, float | int) else value  # as cards of 0.1.0 have it


class BorderBaseline(_Frozen):
    """A logistic regression on the outer border, which sees almost no lung: how far the source alone goes."""

    task: str
    border_only: float
    whole_thumbnail: float
    chance: float
    source: str | None = None
    """The source that it is about; none where all sources are told apart together."""
    labels: tuple[str, ...] = ()
    border: Estimate | None = None
    """``border_only`` with its interval; balanced accuracy, as the other two."""
    thumbnail: Estimate | None = None
    rows: int | None = None
    groups: int | None = None
    protocol: str = ""
    """What it was fitted on and tested on."""


class KeyFigure(_Frozen):
    """One question of the papers, put to one set of rows: classes may merge labels, the answer stays free."""

    name: str
    title: str
    part: str
    rows: int
    groups: int
    accuracy: Estimate
    balanced_accuracy: Estimate | None
    sensitivities: dict[str, Estimate]
    """Share of each class's rows that were answered so."""
    border: Estimate | None = None
    """Balanced accuracy of the border-only baseline on the same classes."""
    thumbnail: Estimate | None = None


class Difference(_Frozen):
    """One model's figures less another's on the same rows, with intervals of the paired differences."""

    rows: int
    groups: int
    accuracy: Estimate
    balanced_accuracy: Estimate | None
    macro_f1: Estimate | None


class ModelComparison(_Frozen):
    """A model against another one on the same rows, by paired group bootstrap."""

    other: str
    overall: Difference
    by_source: dict[str, Difference]


class GateScore(StrEnum):
    """What the chest gate measures on a picture; the higher, the stranger."""

    DISTANCE = "distance"
    """Mahalanobis distance from the training pictures within their features' main directions."""
    RESIDUAL = "residual"
    """Length of the features outside those directions."""
    ENERGY = "energy"
    """Minus the log of the sum of the exponentials of the logits."""
    TEMPLATE = "template"
    """How little a thumbnail looks like a training picture's, against the same ones turned or inverted."""
    AXIS = "axis"
    """Along the direction of the features that tells training pictures from made outliers."""


class GateLimit(_Frozen):
    """A score's median on validation pictures and the value that 98.5 % of them stay below."""

    typical: float
    limit: float


class PassShare(_Frozen):
    """How many of some pictures of the right kind pass the gate."""

    rows: int
    share: float


class OutlierFamily(_Frozen):
    """Pictures of a wrong kind, and how well they are told from validation pictures."""

    name: str
    rows: int
    fitted: bool = Field(description="whether pictures made the same way helped to fit the gate")
    roc_auc: dict[str, float] = Field(description="by score, and of all together as 'combined'")
    refused: float


class GateSettings(_Frozen):
    """Limits of the chest gate; its template and feature statistics are in the weights' file."""

    kind: ImageKind = ImageKind.CHEST_RADIOGRAPH
    limits: dict[GateScore, GateLimit]
    most_excess: float = Field(1.0, description="times the way from typical to its limit that a score may go")
    validation_pass_share: float
    pass_by_source: dict[str, PassShare] = Field(
        default_factory=dict, description="validation judged by the limits of its other half; external rows"
    )
    families: tuple[OutlierFamily, ...] = ()
    refused_share: dict[str, float] = Field(default_factory=dict, description="of cards of 0.1.0")

    @model_validator(mode="before")
    @classmethod
    def _two_thresholds(cls, value: object) -> object:
        """Read cards of 0.1.0: a least correlation with the mean film and a most distance."""
        if not isinstance(value, dict) or "least_resemblance" not in value:
            return value
        old = dict(value)
        template = {"typical": -1.0, "limit": -old.pop("least_resemblance")}
        distance = {"typical": 0.0, "limit": old.pop("most_distance")}
        return {**old, "limits": {GateScore.TEMPLATE: template, GateScore.DISTANCE: distance}}


class TrainingSummary(_Frozen):
    """What the weights were fitted on, and how."""

    manifest: str
    manifest_sha256: str
    rows: dict[str, dict[str, int]] = Field(description="source -> label -> rows fitted")
    groups: int
    validation_rows: int
    validation_groups: int
    validation_seen: bool = False
    """Whether the stored weights were also fitted on the validation rows; the figures on them never are."""
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


class GoldenPrediction(_Frozen):
    """What the weights must answer to one made picture, through the preparation and any engine."""

    input_seed: int
    logits: dict[str, float]
    """By label, before the temperature."""
    tolerance: float = Field(gt=0)
    """Of each logit: engines and processors differ in the last bits."""


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
    graph_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Of ``model.onnx``; none where torch alone can run the network."""
    golden: GoldenPrediction | None = None
    training: TrainingSummary
    validation: SetScores
    validation_by_source: dict[str, SetScores]
    external: dict[str, SetScores]
    unknown_labels: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="rows of labels that the model does not know, by its answer"
    )
    border_baselines: tuple[BorderBaseline, ...]
    key_figures: tuple[KeyFigure, ...] = ()
    compared: ModelComparison | None = None
    """Against the model's own baseline, on the validation rows."""
    limits: tuple[str, ...]
    intended_use: str = RESEARCH_USE
    folder: Path = Field(default=Path(), exclude=True, description="where the card was read; not part of it")

    @property
    def weights(self) -> Path:
        """Path of the weights."""
        return self.folder / "model.safetensors"

    @property
    def graph(self) -> Path:
        """Path of the ONNX graph, whose weights lie in ``weights``."""
        return self.folder / "model.onnx"

    @property
    def text(self) -> Path:
        """Path of the card for people."""
        return self.folder / "MODEL_CARD.md"

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
    """1 for a typical training picture, 0 at the limit or for a fault of quality, negative beyond."""
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
    gate: GateVerdict | None
    """Whether most slices are of the kind that the model reads; nothing for weights without a gate."""
