"""What a training is made of; the shipped models' own recipes are in ``models.training.recipes``."""

from dataclasses import dataclass
from enum import Enum

from models.preprocessing_spec import Preprocessing


class Optimiser(Enum):
    """How weights follow the gradient."""

    ADAM = "Adam"
    ADAMW = "AdamW"
    SGD = "SGD"


class Start(Enum):
    """Which weights a training begins with."""

    RANDOM = "random"
    IMAGENET = "ImageNet (EfficientNet-Lite0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far training pictures are changed, against shortcuts that tell the source, not the disease."""

    mirror: bool
    rotation_degrees: float = 8.0
    scale: float = 0.15
    aspect: float = 0.12
    shift: float = 0.06
    gamma: float = 0.35
    contrast: float = 0.3
    brightness: float = 0.12
    noise: float = 0.03
    border_chance: float = 0.5
    border_width: float = 0.1
    box_chance: float = 0.4
    letter_chance: float = 0.4
    blur_chance: float = 0.4
    foreign_tone_chance: float = 0.0
    """Chance of a picture to take on the grey-level distribution of another one of its batch."""


NO_AUGMENTATION = Augmentation(
    mirror=False,
    rotation_degrees=0.0,
    scale=0.0,
    aspect=0.0,
    shift=0.0,
    gamma=0.0,
    contrast=0.0,
    brightness=0.0,
    noise=0.0,
    border_chance=0.0,
    box_chance=0.0,
    letter_chance=0.0,
    blur_chance=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of training up to a share of the whole; the rate falls to ``last_rate`` by cosine."""

    until: float
    size: int
    optimiser: Optimiser
    rate: float
    last_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    augmentation: Augmentation | None = None
    """Where not the recipe's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialLabel:
    """A label that only narrows the answer: the loss asks for any of ``one_of``."""

    label: str
    one_of: tuple[str, ...]
    weight: float = 0.5
    """Its rows are drawn this often, beside what balance gives a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights, apart from the machine."""

    name: str
    version: str
    network: str
    manifest: str
    labels: tuple[str, ...]
    titles: tuple[str, ...]
    sources: tuple[str, ...]
    preprocessing: Preprocessing
    phases: tuple[Phase, ...]
    augmentation: Augmentation
    batch_size: int
    epochs: int
    bfloat16: bool
    seed: int = 20261122
    validation_share: float = 0.2
    label_smoothing: float = 0.05
    balance: float = 0.5
    """0 draws rows as they are, 1 evenly by class and, within a class, by source."""
    start: Start = Start.RANDOM
    partial_labels: tuple[PartialLabel, ...] = ()
    averaging: float = 0.0
    """Decay of the running mean of the weights that is kept and shipped; 0 ships the last weights."""
    refit_from: float | None = None
    """Share of the schedule from which a second run, whose weights ship, sees the validation rows too."""

    def __post_init__(self) -> None:
        """Refuse partial labels that no answer fits: their loss would be infinite."""
        for partial in self.partial_labels:
            if not partial.one_of or not set(partial.one_of) <= set(self.labels):
                raise ValueError(f"{partial.label} may be any of {partial.one_of}, not all of them labels")
