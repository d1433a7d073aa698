"""What no network need be asked about is refused first, with its fault."""

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image

from models.gate.quality import quality_fault
from tests.models.gate.made import made_film

_DRAW = np.random.default_rng(4)
_FRAMED = np.zeros((200, 200), dtype=np.float32)
_FRAMED[80:140, 60:130] = _DRAW.random((60, 1), dtype=np.float32)


@pytest.mark.parametrize(
    ("pixels", "fault"),
    [
        (np.full((80, 80), 0.4, dtype=np.float32), "blank"),
        (np.eye(80, dtype=np.float32), "saturated"),
        (np.full((80, 80), np.nan, dtype=np.float32), "not numbers"),
        (_DRAW.random((40, 300), dtype=np.float32), "too small (40 x 300)"),
        (_DRAW.random((300, 200), dtype=np.float32), "noise"),
        (_FRAMED * 0.9 + 0.05, "empty frame"),
    ],
)
def test_an_unreadable_picture_is_refused_by_its_fault(pixels: npt.NDArray[np.float32], fault: str) -> None:
    assert fault in quality_fault(pixels)


def test_a_film_has_no_fault_at_any_size_and_with_a_collimated_border() -> None:
    film = made_film(np.random.default_rng(3))
    bordered = np.zeros((160, 160), dtype=np.float32)
    bordered[20:140, 20:140] = film
    for shown in (film, bordered, film.repeat(6, 0).repeat(6, 1)):
        assert quality_fault(shown) == ""


def test_a_photograph_is_not_the_quality_check_s_business() -> None:
    with get_sample_data("grace_hopper.jpg") as stream, Image.open(stream) as photograph:
        assert quality_fault(np.asarray(photograph.convert("L"), dtype=np.float32) / 255) == ""
