"""What the Image Library says of an image, and what it leaves out."""

import pytest

from dicom_node.results.image_library import library_entry
from tests.synthetic.studies import chest_film, ct_series


def test_a_film_is_described_by_its_geometry() -> None:
    entry = library_entry(chest_film())
    assert (entry.Modality, list(entry.ImagerPixelSpacing)) == ("DX", [1.6, 1.6])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_not_repeated(value: str) -> None:
    film = library_entry(chest_film(ImagerPixelSpacing=[value, "1.6"]))
    (piece,) = ct_series(slices=1, SliceThickness=value)
    assert film.Modality == library_entry(piece).Modality == ""
    assert "ImagerPixelSpacing" not in film
