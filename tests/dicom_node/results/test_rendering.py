"""What people see: colours in an order that eyes follow, and captions that are never cut."""

import numpy as np
import pytest
from PIL import ImageFont

from dicom_node.results.rendering import blend, colour_of, fit_within, text_size, with_captions, wrap
from tests.synthetic.results_inputs import hot_spot, picture

WARNING = "RESEARCH USE ONLY - NOT FOR DIAGNOSTIC USE - AI, unverified"
WIDTHS = (48, 64, 128, 200, 256, 512, 853, 1024)
INK = 200


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours in 0..255."""
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return 116 * np.cbrt(luminance) - 16


def test_more_saliency_is_lighter_in_even_steps() -> None:
    steps = np.diff(lightness(colour_of(np.linspace(0, 1, 65, dtype=np.float32))))
    assert steps.min() > 0
    assert steps.max() < 3 * steps.mean()


def test_no_colour_could_be_taken_for_a_grey_of_the_image() -> None:
    colours = colour_of(np.linspace(0, 1, 65, dtype=np.float32))
    assert (colours.max(axis=-1) - colours.min(axis=-1)).min() > 60


def test_an_image_without_saliency_stays_as_it_is() -> None:
    grey = picture(60, 50)
    shown = blend(grey, np.zeros_like(grey))
    assert np.array_equal(shown, np.repeat(np.rint(255 * grey).astype(np.uint8)[..., np.newaxis], 3, axis=-1))


def test_weak_saliency_leaves_the_anatomy_uncoloured_and_strong_leaves_it_visible() -> None:
    dark, bright = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    assert np.ptp(blend(bright, np.full_like(bright, 0.15))) == 0
    for saliency in (0.3, 0.6, 1.0):
        level = np.full_like(dark, saliency)
        difference = blend(bright, level).astype(int) - blend(dark, level).astype(int)
        assert difference.min() > 255 * 0.4


def test_the_hottest_place_of_the_overlay_is_where_the_saliency_is() -> None:
    saliency = hot_spot(90, 80)
    shown = blend(np.full_like(saliency, 0.3), saliency).astype(int)
    yellow = shown[..., 0] + shown[..., 1] - 2 * shown[..., 2]
    assert np.unravel_index(yellow.argmax(), yellow.shape) == np.unravel_index(
        saliency.argmax(), saliency.shape
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_every_line_fits_the_width_and_no_word_is_lost(width: int) -> None:
    lines = wrap(WARNING, width)
    font = ImageFont.load_default(size=text_size(width))
    assert all(font.getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == WARNING.replace(" ", "")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_caption_is_drawn_whole_inside_the_strip(width: int) -> None:
    frames = np.zeros((1, 40, width, 3), np.uint8)
    strip = with_captions(frames, [[WARNING, "second paragraph"]])[0, 40:]
    inked = (strip > INK).all(axis=-1)
    rows = np.flatnonzero(inked.any(axis=1))
    assert not inked[:, -2:].any()
    assert not inked[:, :2].any()
    assert rows.max() < len(strip) - 1
    # each line of text has ink of its own: as many bands of ink as lines, and the legend's
    bands = 1 + np.count_nonzero(np.diff(rows) > 1)
    assert bands >= len(wrap(WARNING, width)) + len(wrap("second paragraph", width))


def test_a_caption_hides_no_pixel() -> None:
    frames = blend(np.stack([picture(64, 64)] * 2), np.stack([hot_spot(64, 64)] * 2))
    captioned = with_captions(frames, [["one"], ["two lines of text that must be wrapped to fit this width"]])
    assert np.array_equal(captioned[:, :64], frames)
    assert captioned.shape[0] == 2


def test_the_colour_legend_runs_from_low_to_high() -> None:
    strip = with_captions(np.zeros((1, 8, 512, 3), np.uint8), [["text"]])[0, 8:]
    bar = strip[text_size(512)].astype(int)
    yellow = bar[:, 0] + bar[:, 1] - 2 * bar[:, 2]
    assert 400 < yellow.argmax() < 490
    assert yellow[60] == 0


def test_large_images_are_made_smaller_in_their_own_aspect_and_small_ones_stay() -> None:
    assert fit_within(np.zeros((3000, 2500), np.float32), 1024).shape == (1024, 853)
    assert fit_within(np.zeros((200, 1500), np.float32), 1024).shape == (137, 1024)
    small = picture(100, 80)
    assert fit_within(small, 1024) is small
