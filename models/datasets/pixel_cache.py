"""Decoded pictures at the common resolution, as one memory-mapped array outside the repository."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from models.datasets.manifest import CropBox, ImageRow
from models.preprocessing import to_common
from models.preprocessing_spec import Preprocessing

Advance = Callable[[int, int], None]


def cached_pixels(
    rows: Sequence[ImageRow], *, root: Path, cache: Path, spec: Preprocessing, advance: Advance | None = None
) -> npt.NDArray[np.uint8]:
    """Return (n, common, common) uint8 grey pictures in the rows' order, decoding only what is not cached.

    The file's name is a digest of every row's file, SHA-256 and crop and of the resolution, so another
    manifest or another preparation never reads a stale array. A half-written array never gets that name.
    """
    path = cache / f"grey-{_content_key(rows, spec)}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        shape = (len(rows), spec.common_size, spec.common_size)
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        for index, row in enumerate(rows):
            array[index] = decode(root / row.file, spec, row.crop)
            if advance:
                advance(index + 1, len(rows))
        array.flush()
        del array
        partial.rename(path)
    loaded: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded


def decode(path: Path, spec: Preprocessing, crop: CropBox | None = None) -> npt.NDArray[np.uint8]:
    """Decode one picture, or a part of it, to grey and squash it to (common, common) uint8."""
    with Image.open(path) as picture:
        part = picture.crop((crop.left, crop.top, crop.right, crop.bottom)) if crop else picture
        grey = np.asarray(part.convert("L"), dtype=np.float32) / np.float32(255)
    common = to_common(torch.from_numpy(grey)[None], spec)[0]
    return (common * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _content_key(rows: Sequence[ImageRow], spec: Preprocessing) -> str:
    digest = hashlib.sha256(f"{spec.common_size}\n".encode())
    for row in rows:
        crop = f"\t{row.crop}" if row.crop else ""
        digest.update(f"{row.file}\t{row.sha256}{crop}\n".encode())
    return digest.hexdigest()[:24]
