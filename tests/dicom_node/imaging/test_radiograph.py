import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.radiograph import read_radiograph
from tests.synthetic.studies import chest_film, compressed, secondary_capture, stored_values


def film_of(stored: list[list[int]], **attributes: object) -> Dataset:
    """A CR of the given stored values, 12 bits, without VOI LUT unless given."""
    values = np.array(stored, dtype="<u2")
    given = {"WindowCenter": None, "WindowWidth": None, **attributes}
    film = chest_film(modality="CR", Rows=values.shape[0], Columns=values.shape[1], **given)
    film.PixelData = values.tobytes()
    return film


def test_a_film_is_grey_from_0_to_1_with_its_uid_and_spacing() -> None:
    film = chest_film(ImagerPixelSpacing=[0.2, 0.1])
    read = read_radiograph(film)
    assert read.pixels.shape == (256, 224)
    assert read.pixels.dtype == np.float32
    assert read.sop_instance_uid == film.SOPInstanceUID
    assert read.spacing_mm == (0.2, 0.1)
    assert read.pixels.min() >= 0
    assert read.pixels.max() <= 1


def test_bone_is_white_and_lung_dark() -> None:
    pixels = read_radiograph(chest_film()).pixels
    spine, lung = pixels[120, 108:116].mean(), pixels[90:110, 60:70].mean()
    assert spine > 0.7
    assert lung < 0.4


def test_monochrome1_shows_the_same_image_as_monochrome2() -> None:
    ordinary = read_radiograph(chest_film())
    for modality in ("CR", "DX"):
        inverted = read_radiograph(chest_film(modality=modality, photometric="MONOCHROME1"))
        np.testing.assert_allclose(inverted.pixels, ordinary.pixels, atol=1.5 / 4096)


def test_monochrome1_and_inverse_together_are_one_inversion() -> None:
    """PS3.3 C.8.11.3.1.2: a MONOCHROME1 DX image shall have Presentation LUT Shape INVERSE."""
    once = read_radiograph(chest_film(modality="CR", photometric="MONOCHROME1"))
    said_twice = read_radiograph(chest_film(photometric="MONOCHROME1", PresentationLUTShape="INVERSE"))
    np.testing.assert_array_equal(said_twice.pixels, once.pixels)


def test_presentation_lut_shape_inverse_inverts() -> None:
    ordinary = read_radiograph(chest_film()).pixels
    inverse = read_radiograph(chest_film(PresentationLUTShape="INVERSE")).pixels
    np.testing.assert_allclose(inverse, 1 - ordinary, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_grey_does_not_depend_on_the_bits(bits: int) -> None:
    read = read_radiograph(chest_film(bits=bits)).pixels
    np.testing.assert_allclose(read, read_radiograph(chest_film()).pixels, atol=1 / 200)


def test_a_window_is_applied_as_the_standard_says() -> None:
    """PS3.3 C.11.2.1.2.1, LINEAR: ((x - (c - 0.5)) / (w - 1)) + 0.5, here c = 2048, w = 4096 over 12 bits."""
    read = read_radiograph(film_of([[0, 1024, 2048, 4095]], WindowCenter=2048, WindowWidth=4096))
    np.testing.assert_allclose(read.pixels, [[0, 1024 / 4095, 2048 / 4095, 1]], atol=1e-6)


def test_a_narrow_window_saturates() -> None:
    read = read_radiograph(film_of([[0, 999, 1050, 1101, 4000]], WindowCenter=1050.5, WindowWidth=101))
    np.testing.assert_allclose(read.pixels, [[0, 0, 0.5, 1, 1]], atol=1e-6)


def test_a_sigmoid_window_is_scaled_from_0_to_1() -> None:
    film = film_of([[0, 2048, 4095]], WindowCenter=2048, WindowWidth=1000, VOILUTFunction="SIGMOID")
    np.testing.assert_allclose(read_radiograph(film).pixels, [[0, 0.5, 1]], atol=1e-3)


def test_the_first_of_several_windows_is_used() -> None:
    one = read_radiograph(chest_film(WindowCenter=2000, WindowWidth=3000)).pixels
    several = read_radiograph(chest_film(WindowCenter=[2000, 100], WindowWidth=[3000, 10])).pixels
    np.testing.assert_array_equal(several, one)


def test_a_voi_lut_goes_before_a_window() -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 10]
    item.LUTData = [1023 - index // 4 for index in range(4096)]
    film = film_of([[0, 4095]], VOILUTSequence=[item], WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(read_radiograph(film).pixels, [[1, 0]], atol=1e-6)


def test_a_modality_lut_comes_before_the_window() -> None:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
    item.LUTData = [65535 - 16 * index for index in range(4096)]
    film = film_of([[0, 4095]], ModalityLUTSequence=[item], WindowCenter=32768, WindowWidth=65536)
    np.testing.assert_allclose(read_radiograph(film).pixels, [[1, 15 / 65535]], atol=1e-4)


def test_a_rescale_comes_before_the_window() -> None:
    film = film_of([[0, 4095]], RescaleSlope=2, RescaleIntercept=-1000)
    film.WindowCenter, film.WindowWidth = -1000 + 4095, 8191
    np.testing.assert_allclose(read_radiograph(film).pixels, [[0, 1]], atol=1e-3)


@pytest.mark.parametrize(
    "voi",
    [
        {},
        {"WindowCenter": 2048, "WindowWidth": 0},
        {"WindowCenter": 2048, "WindowWidth": -5},
        {"WindowCenter": 90000, "WindowWidth": 10},
        {"WindowCenter": 2048, "WindowWidth": "nan"},
        {"WindowCenter": "nan", "WindowWidth": 10},
    ],
    ids=["none", "no width", "negative width", "shows nothing", "width is no number", "centre is no number"],
)
def test_without_a_usable_window_robust_percentiles_stand_in(voi: dict[str, object]) -> None:
    pixels = np.tile(np.arange(1000, 2000, dtype=np.uint16), (10, 1))
    pixels[0, :3] = 4095
    read = read_radiograph(film_of(pixels.tolist(), **voi)).pixels
    assert read[1, 0] == 0
    assert read[1, 500] == pytest.approx(0.5, abs=0.01)
    assert read[1, 999] == 1
    assert read[0, 0] == 1


def test_padding_is_black_and_does_not_stretch_the_grey() -> None:
    pixels = np.tile(np.arange(1000, 2000, dtype=np.uint16), (10, 1))
    pixels[:, :100] = 4000
    pixels[:, 100:200] = 4010
    film = film_of(pixels.tolist(), PixelPaddingValue=4000, PixelPaddingRangeLimit=4010)
    read = read_radiograph(film).pixels
    assert (read[:, :200] == 0).all()
    assert read[0, 999] == 1


def test_an_image_of_one_value_is_black() -> None:
    assert (read_radiograph(film_of([[7, 7], [7, 7]])).pixels == 0).all()


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        ({"ImagerPixelSpacing": None}, None),
        ({"ImagerPixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0, 0]}, (1.6, 1.6)),
        ({"PixelSpacing": [0.5, 0.4]}, (0.5, 0.4)),
    ],
)
def test_spacing_is_calibrated_before_detector_and_never_zero(
    attributes: dict[str, object], spacing: tuple[float, float] | None
) -> None:
    assert read_radiograph(chest_film(**attributes)).spacing_mm == spacing


@pytest.mark.parametrize("transfer_syntax", [RLELossless, JPEG2000Lossless])
def test_compression_does_not_change_the_image(transfer_syntax: str) -> None:
    film = chest_film()
    packed = read_radiograph(compressed(film, transfer_syntax))
    np.testing.assert_array_equal(packed.pixels, read_radiograph(film).pixels)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "RGB"),
        ({"PhotometricInterpretation": None}, "unknown kind"),
        ({"PixelData": None}, "no pixel data"),
        ({"NumberOfFrames": 2}, "one frame"),
        ({"Rows": None}, "Rows"),
        ({"Rows": 60000, "Columns": 60000}, "above the limit"),
        ({"PixelData": b"\0\0"}, "less than expected"),
        ({"SOPInstanceUID": "no UID"}, "SOP Instance UID"),
        ({"BitsStored": 0}, "BitsStored"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "32 bits"),
        ({"PixelRepresentation": None}, "Pixel Representation"),
        ({"RescaleSlope": "nan"}, "finite"),
        ({"RescaleSlope": "1e306"}, "finite"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(attributes: dict[str, object], words: str) -> None:
    with pytest.raises(UnreadablePixels, match=words):
        read_radiograph(chest_film(**attributes))


def test_an_unknown_transfer_syntax_is_refused() -> None:
    film = chest_film()
    del film.file_meta.TransferSyntaxUID
    with pytest.raises(UnreadablePixels, match="Transfer Syntax"):
        read_radiograph(film)


def test_signed_stored_values_are_read() -> None:
    film = film_of([[0, 0, 0]], PixelRepresentation=1, BitsStored=12, WindowCenter=0, WindowWidth=4096)
    film.PixelData = np.array([[-2048, 0, 2047]], dtype="<i2").tobytes()
    np.testing.assert_allclose(read_radiograph(film).pixels, [[0, 0.5, 1]], atol=1e-3)


def test_a_screen_shot_is_only_a_grey_image() -> None:
    shot = secondary_capture()
    assert read_radiograph(shot).pixels.shape == stored_values(shot).shape
