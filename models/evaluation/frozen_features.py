"""What ImageNet alone sees: pooled features of EfficientNet-Lite0, with no layer trained on a chest."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.datasets.manifest import ImageRow
from models.datasets.pixel_cache import cached_pixels
from models.evaluation.answers import run_network
from models.networks.interface import ChestNetwork
from models.networks.registry import build_network, start_from_imagenet
from models.preprocessing_spec import Preprocessing

NETWORK = "plain_tf_efficientnet_lite0"
CHUNK = 256
Features = npt.NDArray[np.float32]


def frozen_features(
    rows: Sequence[ImageRow],
    *,
    data: Path,
    cache: Path,
    spec: Preprocessing,
    advance: Callable[[int, int], None],
) -> Features:
    """Return (n, 1280) float32 in the rows' order, computed once and kept in ``cache``.

    Raises
    ------
    WeightsMissing
        The package with the ImageNet weights is not installed.
    """
    path = cache / f"imagenet-{_content_key(rows, spec)}.npy"
    if not path.exists():
        pixels = cached_pixels(rows, root=data, cache=cache, spec=spec)
        features = _computed(imagenet_network(), pixels, spec, advance)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, features)
        partial.rename(path)
    kept: Features = np.load(path)
    return kept


def imagenet_network() -> ChestNetwork:
    """Return EfficientNet-Lite0 with ImageNet's trunk; its head is random and must not be used."""
    network = build_network(NETWORK, classes=2)
    start_from_imagenet(network)
    return network.eval().requires_grad_(False)


def _computed(
    network: ChestNetwork,
    pixels: npt.NDArray[np.uint8],
    spec: Preprocessing,
    advance: Callable[[int, int], None],
) -> Features:
    parts: list[Features] = []
    for first in range(0, len(pixels), CHUNK):
        pooled = run_network(network, pixels[first : first + CHUNK], spec).pooled
        parts.append(pooled.numpy().astype(np.float32))
        advance(min(first + CHUNK, len(pixels)), len(pixels))
    return np.concatenate(parts)


def _content_key(rows: Sequence[ImageRow], spec: Preprocessing) -> str:
    digest = hashlib.sha256(f"{NETWORK}\n{spec.model_dump_json()}\n".encode())
    for row in rows:
        digest.update(f"{row.file}\t{row.sha256}\t{row.crop}\n".encode())
    return digest.hexdigest()[:24]
