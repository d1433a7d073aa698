"""What each shipped model is trained on and how; a recipe's name is the model's name."""

from dataclasses import dataclass
from enum import Enum

from models.errors import UnknownModel
from models.preprocessing_spec import Preprocessing, Window


class Optimiser(Enum):
    """The two optimisers of Jia et al.'s recipe, which runs one after the other."""

    ADAM = "adam"
    SGD = "sgd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of training up to a share of the whole; the rate falls to ``last_rate`` by cosine."""

    until: float
    size: int
    optimiser: Optimiser
    rate: float
    last_rate: float


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


LUNG_WINDOW = Window(centre=-600, width=1500)

CXR = Recipe(
    name="cxr-mobilenetv3-dynamic",
    version="0.1.0",
    network="modified_mobilenet_v3_small",
    manifest="cxr.csv",
    labels=("covid19", "tuberculosis", "pneumonia_bacterial", "pneumonia_viral", "normal"),
    titles=("COVID-19", "Tuberculosis", "Bacterial pneumonia", "Viral pneumonia", "Normal"),
    sources=("kermany", "nih-chestxray8", "covid-cxnet", "hannover", "tb-rahman"),
    preprocessing=Preprocessing(input_size=299, common_size=224, window=None),
    phases=(
        Phase(until=0.5, size=160, optimiser=Optimiser.ADAM, rate=1e-3, last_rate=5e-4),
        Phase(until=0.82, size=160, optimiser=Optimiser.ADAM, rate=5e-4, last_rate=5e-5),
        Phase(until=0.95, size=299, optimiser=Optimiser.ADAM, rate=2e-4, last_rate=1e-5),
        Phase(until=1.0, size=299, optimiser=Optimiser.SGD, rate=0.01, last_rate=1e-4),
    ),
    # no mirror: the heart's side is anatomy on a film
    augmentation=Augmentation(mirror=False),
    batch_size=32,
    epochs=14,
    bfloat16=False,
)

CT = Recipe(
    name="ct-resnet18-dynamic",
    version="0.1.0",
    network="modified_resnet18",
    manifest="ct.csv",
    labels=("covid19", "non_covid", "normal"),
    titles=("COVID-19", "Not COVID-19, other or unspecified", "Normal"),
    sources=("brazil-cvt", "covid19-ct-ucsd", "mosmed", "sars-cov-2-ct-soares", "luna16"),
    preprocessing=Preprocessing(input_size=256, common_size=224, window=LUNG_WINDOW),
    phases=(
        Phase(until=0.5, size=160, optimiser=Optimiser.ADAM, rate=1e-3, last_rate=4e-4),
        Phase(until=0.8, size=160, optimiser=Optimiser.ADAM, rate=4e-4, last_rate=5e-5),
        Phase(until=0.95, size=256, optimiser=Optimiser.ADAM, rate=2e-4, last_rate=1e-5),
        Phase(until=1.0, size=256, optimiser=Optimiser.SGD, rate=0.01, last_rate=1e-4),
    ),
    augmentation=Augmentation(mirror=True, scale=0.25, gamma=0.45, contrast=0.4),
    batch_size=24,
    epochs=14,
    bfloat16=True,
)

RECIPES = {recipe.name: recipe for recipe in (CXR, CT)}


def recipe_named(name: str) -> Recipe:
    """Return a recipe.

    Raises
    ------
    UnknownModel
        No recipe has that name.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise UnknownModel(name, tuple(RECIPES)) from None
