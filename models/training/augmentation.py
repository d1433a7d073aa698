"""Changes to training pictures against shortcuts: borders, redaction boxes, letters, contrast, resolution."""

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from models.training.recipe import Augmentation

Draw = np.random.Generator
Grey = npt.NDArray[np.float32]
_QUANTILES = np.linspace(0, 1, 33)
_RISING = np.linspace(0, 1e-5, 33, dtype=np.float32)  # np.interp needs places that rise
MARKERS = ("L", "R", "AP", "PA", "ERECT", "PORTABLE", "SUPINE", "1/3", "A", "F", "->", "<-", "kV 90", "12:45")


def augment(batch: Tensor, size: int, settings: Augmentation, draw: Draw) -> Tensor:
    """Return changed pictures (n, size, size) in [0, 1] of pictures (n, rows, columns) in [0, 1].

    Everything random comes from ``draw``, so a step can be repeated.
    """
    moved = _move(batch, size, settings, draw)
    toned = _tone(_take_foreign_tone(moved, settings, draw), settings, draw)
    pictures = toned.numpy()
    for picture in pictures:
        if draw.random() < settings.box_chance:
            _paint_boxes(picture, draw)
        if draw.random() < settings.letter_chance:
            _paint_letters(picture, draw)
        if draw.random() < settings.border_chance:
            _paint_border(picture, settings.border_width, draw)
    return torch.from_numpy(pictures).clamp(0, 1)


def _move(batch: Tensor, size: int, settings: Augmentation, draw: Draw) -> Tensor:
    """Rotate, scale, stretch, shift and perhaps mirror; some pictures lose resolution first."""
    n = len(batch)
    angle = np.deg2rad(draw.uniform(-settings.rotation_degrees, settings.rotation_degrees, n))
    zoom = np.exp(draw.uniform(-settings.scale, settings.scale, n))
    aspect = np.exp(draw.uniform(-settings.aspect, settings.aspect, n) / 2)
    shift = draw.uniform(-2 * settings.shift, 2 * settings.shift, (n, 2))
    side = np.where(settings.mirror & (draw.random(n) < 0.5), -1.0, 1.0)
    theta = np.zeros((n, 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = side * np.cos(angle) * zoom * aspect, -np.sin(angle) * zoom
    theta[:, 1, 0], theta[:, 1, 1] = side * np.sin(angle) * zoom, np.cos(angle) * zoom / aspect
    theta[:, :, 2] = shift
    images = _lose_resolution(batch[:, None], settings, draw)
    grid = functional.affine_grid(torch.from_numpy(theta), [n, 1, size, size], align_corners=False)
    padding = "border" if draw.random() < 0.5 else "zeros"
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)[
        :, 0
    ]


def _lose_resolution(images: Tensor, settings: Augmentation, draw: Draw) -> Tensor:
    """Bring some pictures down to a lower resolution and back, so that sharpness does not tell the source."""
    blurred = images.clone()
    for index in np.flatnonzero(draw.random(len(images)) < settings.blur_chance):
        low = int(draw.integers(images.shape[-1] // 2, images.shape[-1]))
        small = functional.interpolate(images[index : index + 1], size=(low, low), mode="area")
        blurred[index] = functional.interpolate(small, size=images.shape[-2:], mode="bilinear")[0]
    return blurred


def _take_foreign_tone(images: Tensor, settings: Augmentation, draw: Draw) -> Tensor:
    """Give some pictures part of another one's grey-level distribution: contrast must not tell the source."""
    if not settings.foreign_tone_chance:
        return images
    toned = images.clone()
    others = draw.permutation(len(images))
    for index in np.flatnonzero(draw.random(len(images)) < settings.foreign_tone_chance):
        strength = float(draw.uniform(0.3, 1.0))
        own, foreign = (
            np.quantile(images[k, ::3, ::3].numpy(), _QUANTILES).astype(np.float32)
            for k in (index, others[index])
        )
        matched = np.interp(images[index].numpy(), own + _RISING, foreign).astype(np.float32)
        toned[index] = images[index] * (1 - strength) + torch.from_numpy(matched) * strength
    return toned


def _tone(images: Tensor, settings: Augmentation, draw: Draw) -> Tensor:
    """Change gamma, contrast and brightness, and add a little noise."""
    n = len(images)

    def factors(width: float) -> Tensor:
        return torch.from_numpy(draw.uniform(-width, width, (n, 1, 1)).astype(np.float32))

    toned = images.clamp(1e-4, 1) ** factors(settings.gamma).exp()
    mean = toned.mean((1, 2), keepdim=True)
    toned = (toned - mean) * factors(settings.contrast).exp() + mean + factors(settings.brightness)
    strength = draw.uniform(0, settings.noise, (n, 1, 1)).astype(np.float32)
    noise = draw.standard_normal(images.shape, dtype=np.float32) * strength
    return (toned + torch.from_numpy(noise)).clamp(0, 1)


def _paint_border(picture: Grey, width: float, draw: Draw) -> None:
    """Cover up to ``width`` of each side with one grey value."""
    rows, columns = picture.shape
    value = _fill(picture, draw)
    top, bottom, left, right = (int(d) for d in draw.integers(0, max(1, int(rows * width)), 4))
    picture[:top], picture[rows - bottom :] = value, value
    picture[:, :left], picture[:, columns - right :] = value, value


def _paint_boxes(picture: Grey, draw: Draw) -> None:
    """Paint up to three boxes, as redaction does."""
    rows, columns = picture.shape
    for _ in range(int(draw.integers(1, 4))):
        height, width = (int(v) for v in draw.integers(rows // 40 + 1, rows // 6 + 2, 2))
        top, left = int(draw.integers(0, rows - height)), int(draw.integers(0, columns - width))
        picture[top : top + height, left : left + width] = _fill(picture, draw)


def _paint_letters(picture: Grey, draw: Draw) -> None:
    """Write side markers and the like."""
    rows, columns = picture.shape
    for _ in range(int(draw.integers(1, 3))):
        glyph = _glyph(MARKERS[int(draw.integers(len(MARKERS)))], int(draw.integers(rows // 24, rows // 9)))
        height, width = min(glyph.shape[0], rows - 1), min(glyph.shape[1], columns - 1)
        top, left = int(draw.integers(0, rows - height)), int(draw.integers(0, columns - width))
        patch = picture[top : top + height, left : left + width]
        ink = 1.0 if draw.random() < 0.8 else 0.0
        np.copyto(patch, np.float32(ink), where=glyph[:height, :width] > 0.5)


def _glyph(text: str, height: int) -> Grey:
    font = ImageFont.load_default(size=float(max(8, height)))
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _fill(picture: Grey, draw: Draw) -> float:
    """Black, white, the picture's mean or any grey."""
    choices = (0.0, 1.0, float(picture.mean()), float(draw.random()))
    return choices[int(draw.integers(len(choices)))]
