"""Heat maps as people see them: saliency laid over the image in colour, and a caption below it."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.float32]
Colours = NDArray[np.uint8]

# "plasma" of matplotlib at nine steps: lightness rises evenly, so that order is seen in grey print as well,
# and no step is a grey that could be taken for anatomy
_PLASMA = np.array(
    [
        (13, 8, 135),
        (76, 2, 161),
        (126, 3, 168),
        (170, 35, 149),
        (204, 71, 120),
        (230, 108, 92),
        (248, 149, 64),
        (253, 197, 39),
        (240, 249, 33),
    ],
    dtype=np.float32,
)
_UNCOLOURED_BELOW = 0.2
_STRONGEST_OPACITY = 0.55
_BACKGROUND = (16, 16, 16)
_INK = (255, 255, 255)
_LEGEND = ("low", "high")


def blend(grey: Pixels, saliency: Pixels) -> Colours:
    """Return the image with the saliency over it in colour.

    Parameters
    ----------
    grey, saliency
        The same shape (..., rows, columns), both in [0, 1]; white is dense, 1 is most salient.

    Returns
    -------
    Colours
        (..., rows, columns, 3) uint8. Low saliency leaves the image as it is; opacity then grows with it, to
        about a half, so that anatomy stays readable.
    """
    strength = np.clip((saliency - _UNCOLOURED_BELOW) / (1 - _UNCOLOURED_BELOW), 0, 1)
    opacity = (_STRONGEST_OPACITY * np.sqrt(strength))[..., np.newaxis]
    base = 255 * np.clip(grey, 0, 1)[..., np.newaxis]
    coloured: Colours = np.rint((1 - opacity) * base + opacity * colour_of(saliency)).astype(np.uint8)
    return coloured


def colour_of(saliency: Pixels) -> Pixels:
    """Return the colour of each value in [0, 1] as (..., 3) float32 in 0..255."""
    steps = np.linspace(0, 1, len(_PLASMA))
    channels = [np.interp(saliency, steps, _PLASMA[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def fit_within(image: Pixels, longest: int) -> Pixels:
    """Return the image (rows, columns), made smaller where a side is longer than that; the aspect stays."""
    rows, columns = image.shape
    scale = longest / max(rows, columns)
    if scale >= 1:
        return image
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), dtype=np.float32)


def with_captions(frames: Colours, captions: Sequence[Sequence[str]]) -> Colours:
    """Return the frames with a caption and a colour legend below each.

    Below, so that no anatomy is hidden and each pixel keeps its row and column. Frames stay equal in size.

    Parameters
    ----------
    frames
        (k, rows, columns, 3) uint8.
    captions
        k captions, each a few paragraphs of ASCII text that are wrapped to the width.
    """
    width = frames.shape[2]
    wrapped = [[line for text in caption for line in wrap(text, width)] for caption in captions]
    tallest = max(len(lines) for lines in wrapped)
    strips = [_caption_strip(lines, tallest, width) for lines in wrapped]
    return np.concatenate([frames, np.stack(strips)], axis=1)


def wrap(text: str, width: int) -> list[str]:
    """Return the text in lines that fit an image of that width; too long a word goes on in the next line."""
    lines = [""]
    for word in text.split():
        rest = word
        while rest:
            joined = f"{lines[-1]} {rest}".strip()
            if _fits(joined, width):
                lines[-1], rest = joined, ""
            elif lines[-1]:
                lines.append("")
            else:
                kept = next(n for n in range(len(rest), 0, -1) if n == 1 or _fits(rest[:n], width))
                lines[-1], rest = rest[:kept], rest[kept:]
    return lines


def text_size(width: int) -> int:
    """Return the height of letters in pixels on an image of that width."""
    return max(10, width // 42)


def _fits(text: str, width: int) -> bool:
    return _font(text_size(width)).getlength(text) <= width - 2 * _margin(width)


def _margin(width: int) -> int:
    return text_size(width) // 2


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _caption_strip(lines: Sequence[str], room: int, width: int) -> Colours:
    """A strip as wide as the image: legend, then the lines; high enough for ``room`` lines."""
    size, margin = text_size(width), _margin(width)
    pitch = size + max(3, size // 3)
    strip = Image.new("RGB", (width, (room + 1) * pitch + 2 * margin), _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    font = _font(size)
    left, right = (font.getlength(word) for word in _LEGEND)
    start, stop = int(margin + left + margin), int(width - margin - right - margin)
    draw.text((margin, margin), _LEGEND[0], fill=_INK, font=font)
    draw.text((width - margin - right, margin), _LEGEND[1], fill=_INK, font=font)
    if stop > start:
        strip.paste(_colour_bar(stop - start, size), (start, margin + 1))
    for number, line in enumerate(lines, start=1):
        draw.text((margin, margin + number * pitch), line, fill=_INK, font=font)
    return np.asarray(strip)


def _colour_bar(width: int, height: int) -> Image.Image:
    """The colours as they look over a middle grey, low to high."""
    ramp = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    return Image.fromarray(blend(np.full_like(ramp, 0.4), ramp))
