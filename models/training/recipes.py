"""The recipes of the shipped models: a recipe's name is the model's name.

A network with the papers' modules and its baseline share everything but the network.
"""

from dataclasses import replace

from models.errors import UnknownModel
from models.preprocessing_spec import Preprocessing, Window
from models.training.recipe import Augmentation, Optimiser, PartialLabel, Phase, Recipe, Start

LUNG_WINDOW = Window(centre=-600, width=1500)
COMMON_SIZE = 224

_FILM_CHANGES = Augmentation(mirror=False, scale=0.2, foreign_tone_chance=0.3)
"""No mirror: the heart's side is anatomy on a film."""
_SLICE_CHANGES = Augmentation(mirror=True, scale=0.25, gamma=0.45, contrast=0.4, foreign_tone_chance=0.2)


def _lighter(changes: Augmentation) -> Augmentation:
    """Return about half of the changes: pictures nearer to those that will be read."""
    return replace(
        changes,
        scale=0.12,
        gamma=0.2,
        contrast=0.15,
        brightness=0.06,
        noise=0.015,
        border_chance=0.3,
        box_chance=0.2,
        letter_chance=0.2,
        blur_chance=0.2,
        foreign_tone_chance=0.1,
    )


def _transfer(share: float, early: float, rate: float, changes: Augmentation) -> tuple[Phase, ...]:
    """Return two cosines: strong changes, the ``early`` part at 160 px; then light changes."""
    return (
        _adamw(until=early * share, size=160, rate=rate, last_rate=rate / 2),
        _adamw(until=share, size=224, rate=rate / 2, last_rate=1e-6),
        replace(_adamw(until=1.0, size=224, rate=3e-4, last_rate=1e-6), augmentation=_lighter(changes)),
    )


def _adamw(*, until: float, size: int, rate: float, last_rate: float) -> Phase:
    return Phase(
        until=until, size=size, optimiser=Optimiser.ADAMW, rate=rate, last_rate=last_rate, weight_decay=0.02
    )


_FROM_NOTHING = (
    Phase(until=0.7, size=128, optimiser=Optimiser.ADAMW, rate=2e-3, last_rate=1e-3, weight_decay=0.03),
    Phase(until=0.97, size=224, optimiser=Optimiser.ADAMW, rate=1e-3, last_rate=1e-5, weight_decay=0.03),
    Phase(until=1.0, size=224, optimiser=Optimiser.SGD, rate=0.01, last_rate=1e-4),
)

_FILMS = Recipe(
    name="",
    version="0.1.0",
    network="",
    manifest="cxr.csv",
    labels=("covid19", "tuberculosis", "pneumonia_bacterial", "pneumonia_viral", "normal"),
    titles=("COVID-19", "Tuberculosis", "Bacterial pneumonia", "Viral pneumonia", "Normal"),
    sources=("kermany", "nih-chestxray8", "covid-cxnet", "hannover", "tb-rahman"),
    preprocessing=Preprocessing(input_size=224, common_size=COMMON_SIZE, window=None),
    phases=_transfer(7 / 12, 0.55, 6e-4, _FILM_CHANGES),
    augmentation=_FILM_CHANGES,
    batch_size=32,
    epochs=12,
    bfloat16=True,
    validation_share=0.15,
    start=Start.IMAGENET,
    # NIH's adult pneumonia has no agent; without it every adult opacity would have to be COVID-19 or TB
    partial_labels=(
        PartialLabel(
            label="pneumonia_unspecified", one_of=("pneumonia_bacterial", "pneumonia_viral"), weight=0.5
        ),
    ),
    averaging=0.998,
    refit_from=0.85,
)

_SLICES = replace(
    _FILMS,
    manifest="ct.csv",
    labels=("covid19", "non_covid", "normal"),
    titles=("COVID-19", "Not COVID-19, other or unspecified", "Normal"),
    sources=("brazil-cvt", "covid19-ct-ucsd", "mosmed", "sars-cov-2-ct-soares", "luna16"),
    preprocessing=Preprocessing(input_size=224, common_size=COMMON_SIZE, window=LUNG_WINDOW),
    phases=_transfer(14 / 25, 0.6, 8e-4, _SLICE_CHANGES),
    augmentation=_SLICE_CHANGES,
    epochs=25,
    partial_labels=(),
)

_FILMS_FROM_NOTHING = replace(_FILMS, phases=_FROM_NOTHING, epochs=16, start=Start.RANDOM)
_SLICES_FROM_NOTHING = replace(_SLICES, phases=_FROM_NOTHING, epochs=20, start=Start.RANDOM)

_ALL = (
    replace(_FILMS, name="cxr-efficientnet-dspp-cid", network="dspp_cid_tf_efficientnet_lite0"),
    replace(_FILMS, name="cxr-efficientnet", network="plain_tf_efficientnet_lite0"),
    replace(_FILMS_FROM_NOTHING, name="cxr-mobilenetv2-dspp-cid", network="dspp_cid_mobilenet_v2"),
    replace(_FILMS_FROM_NOTHING, name="cxr-mobilenetv2", network="plain_mobilenet_v2"),
    replace(
        _FILMS_FROM_NOTHING,
        name="cxr-mobilenetv3-dynamic",
        version="0.2.0",
        network="modified_mobilenet_v3_small",
    ),
    replace(_FILMS_FROM_NOTHING, name="cxr-mobilenetv3", network="mobilenet_v3_small"),
    replace(_SLICES, name="ct-efficientnet-dspp-cid", network="dspp_cid_tf_efficientnet_lite0"),
    replace(_SLICES, name="ct-efficientnet", network="plain_tf_efficientnet_lite0"),
    replace(_SLICES_FROM_NOTHING, name="ct-mobilenetv2-dspp-cid", network="dspp_cid_mobilenet_v2"),
    replace(_SLICES_FROM_NOTHING, name="ct-mobilenetv2", network="plain_mobilenet_v2"),
    replace(_SLICES_FROM_NOTHING, name="ct-resnet18-dynamic", version="0.2.0", network="modified_resnet18"),
    replace(_SLICES_FROM_NOTHING, name="ct-resnet18", network="resnet18"),
)

RECIPES = {recipe.name: recipe for recipe in _ALL}
BASELINE_OF = {
    "cxr-efficientnet-dspp-cid": "cxr-efficientnet",
    "cxr-mobilenetv2-dspp-cid": "cxr-mobilenetv2",
    "cxr-mobilenetv3-dynamic": "cxr-mobilenetv3",
    "ct-efficientnet-dspp-cid": "ct-efficientnet",
    "ct-mobilenetv2-dspp-cid": "ct-mobilenetv2",
    "ct-resnet18-dynamic": "ct-resnet18",
}
"""What each enhanced model is compared with."""


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
