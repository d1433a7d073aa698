"""Both papers' training recipes on the project's rows; epochs are the papers' and can be scaled down.

What differs from the papers: ImageNet weights exist here for one backbone only, so these start at random;
pictures are grey and squashed to the input square, not cropped; rows are drawn with replacement; the first 60
steps warm up; weight decay leaves biases and batch norm alone; the last weights are scored, never the best
epoch on the rows that are reported.
"""

from dataclasses import replace

from models.errors import UnknownModel
from models.networks.registry import ENHANCED_PREFIX, PLAIN_PREFIX
from models.preprocessing_spec import Preprocessing
from models.training.recipe import NO_AUGMENTATION, Optimiser, Phase, Recipe, Start
from models.training.recipes import LUNG_WINDOW, RECIPES

PAPER_VERSION = "1.0.0"
SARS_COV_2_CT, COVID19_CT = "sars-cov-2-ct", "covid19-ct"
XU_SIZE, JIA_FILM_SIZE, JIA_SLICE_SIZE = 224, 299, 256
_XU_SOURCES = {SARS_COV_2_CT: "sars-cov-2-ct-soares", COVID19_CT: "covid19-ct-ucsd"}
_XU_BATCH = {SARS_COV_2_CT: 32, COVID19_CT: 16}
# ResNet18 and ResNet34 are not stated; 1e-4 is what the paper gives the other ResNet
_XU_WEIGHT_DECAY = {"mobilenet_v2": 5e-5, "resnet18": 1e-4, "resnet34": 1e-4, "resnet50": 1e-4, "vgg19": 1e-4}
_JIA_FILM_NETWORKS = {  # name here -> (network, input size in the authors' scripts)
    "modified-mobilenetv3": ("modified_mobilenet_v3_small", JIA_FILM_SIZE),
    "mobilenetv3": ("mobilenet_v3_small", JIA_FILM_SIZE),
    "vgg16": ("vgg16", 224),
    "inceptionv3": ("inception_v3", JIA_FILM_SIZE),
    "resnet18": ("resnet18", JIA_FILM_SIZE),
    "densenet121": ("densenet121", JIA_FILM_SIZE),
    "squeezenet": ("squeezenet1_0", JIA_FILM_SIZE),
}
_JIA_SLICE_NETWORKS = {"modified-resnet18": "modified_resnet18", "resnet18": "resnet18"}


def any_recipe(name: str) -> Recipe:
    """Return a shipped model's recipe or one of the papers'.

    Raises
    ------
    UnknownModel
        Neither has that name.
    """
    known = {**RECIPES, **PAPER_RECIPES}
    if name not in known:
        raise UnknownModel(name, tuple(known))
    return known[name]


def scaled(recipe: Recipe, scale: float) -> Recipe:
    """Return the recipe with a share of its epochs, at least one; the schedule shrinks with them."""
    return replace(recipe, epochs=max(1, round(recipe.epochs * scale)))


def xu_recipe(network: str, *, backbone: str, data_set: str) -> Recipe:
    """Return Xu et al. IV-B: SGD with momentum 0.9, cosine 0.1 to 1e-5, 100 epochs, batch by data set.

    Parameters
    ----------
    network
        Name of the network, for ``build_network``.
    backbone
        Decides the weight decay; one that the paper does not use gets 1e-4.
    data_set
        ``SARS_COV_2_CT`` or ``COVID19_CT``.
    """
    phase = Phase(
        until=1.0,
        size=XU_SIZE,
        optimiser=Optimiser.SGD,
        rate=0.1,
        last_rate=1e-5,
        momentum=0.9,
        weight_decay=_XU_WEIGHT_DECAY.get(backbone, 1e-4),
    )
    return Recipe(
        name=f"xu-{data_set}-{network.replace('_', '-')}",
        version=PAPER_VERSION,
        network=network,
        manifest="ct.csv",
        labels=("covid19", "non_covid"),
        titles=("COVID-19", "Not COVID-19"),
        sources=(_XU_SOURCES[data_set],),
        preprocessing=Preprocessing(input_size=XU_SIZE, common_size=XU_SIZE, window=LUNG_WINDOW),
        phases=(phase,),
        augmentation=NO_AUGMENTATION,
        batch_size=_XU_BATCH[data_set],
        epochs=100,
        bfloat16=False,
        label_smoothing=0.0,
        balance=0.0,
    )


def jia_film_recipe(name: str) -> Recipe:
    """Return Jia et al. Table 3: 20 epochs Adam 1e-3, then 20 epochs SGD 0.01, batch 128, five classes."""
    network, size = _JIA_FILM_NETWORKS[name]
    return replace(
        _without_our_ways(RECIPES["cxr-mobilenetv3-dynamic"]),
        name=f"jia-cxr-{name}",
        network=network,
        preprocessing=Preprocessing(input_size=size, common_size=size, window=None),
        phases=(
            Phase(until=0.5, size=size, optimiser=Optimiser.ADAM, rate=1e-3, last_rate=1e-3),
            Phase(until=1.0, size=size, optimiser=Optimiser.SGD, rate=0.01, last_rate=0.01),
        ),
        epochs=40,
    )


def jia_slice_recipe(name: str) -> Recipe:
    """Return Jia et al. Table 11: 20 epochs Adam 1e-3, batch 128, three classes of slices."""
    size = JIA_SLICE_SIZE
    return replace(
        _without_our_ways(RECIPES["ct-resnet18-dynamic"]),
        name=f"jia-ct-{name}",
        network=_JIA_SLICE_NETWORKS[name],
        preprocessing=Preprocessing(input_size=size, common_size=size, window=LUNG_WINDOW),
        phases=(Phase(until=1.0, size=size, optimiser=Optimiser.ADAM, rate=1e-3, last_rate=1e-3),),
        epochs=20,
    )


def _without_our_ways(shipped: Recipe) -> Recipe:
    """Return a shipped recipe's rows and labels, trained as Jia et al. do: plain pictures, plain loss."""
    return replace(
        shipped,
        version=PAPER_VERSION,
        augmentation=NO_AUGMENTATION,
        batch_size=128,
        bfloat16=False,
        label_smoothing=0.0,
        balance=0.0,
        start=Start.RANDOM,
        partial_labels=(),
        averaging=0.0,
        refit_from=None,
    )


def _all() -> tuple[Recipe, ...]:
    xu = (
        xu_recipe(f"{prefix}{backbone}", backbone=backbone, data_set=data_set)
        for data_set in _XU_SOURCES
        for backbone in _XU_WEIGHT_DECAY
        for prefix in (ENHANCED_PREFIX, PLAIN_PREFIX)
    )
    return (*xu, *map(jia_film_recipe, _JIA_FILM_NETWORKS), *map(jia_slice_recipe, _JIA_SLICE_NETWORKS))


PAPER_RECIPES = {recipe.name: recipe for recipe in _all()}
"""``xu-<data set>-<network>``, ``jia-cxr-<network>`` and ``jia-ct-<network>``."""
