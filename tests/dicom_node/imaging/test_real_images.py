"""The real images of DICOM_NODE_DATA_DIR and of pydicom-data: none may crash a decoder."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.imaging.transfer_syntaxes import decodable_transfer_syntaxes
from dicom_node.imaging.volume import sorted_volume

ROOT = Path(__file__).parents[3]
DICOM = Path(os.environ.get("DICOM_NODE_DATA_DIR", ROOT.parent / "shared" / "data")) / "dicom"
SERIES = DICOM / "OHIF__viewer-testdata-dicomweb" / "nlst_chest_ct"
ONE_SLICE = DICOM / "cornerstonejs__cornerstone3D" / "chestct_all_ts"
THORAX = DICOM / "OHIF__viewer-testdata-dicomweb" / "dx_thorax" / "0001.dcm"

pytestmark = pytest.mark.skipif(
    not DICOM.is_dir(), reason=f"{DICOM} is absent; DICOM_NODE_DATA_DIR says where the images are"
)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(processes=2, memory_bytes=2 << 30, timeout_s=30) as made:
        yield made


def test_a_whole_chest_ct_comes_in_order_with_spacing_and_orientation(pool: DecoderPool) -> None:
    paths = sorted(SERIES.glob("*.dcm"))
    volume = sorted_volume(pool.decode_slices(paths))
    assert len(volume.slices) == len(paths) == 143
    positions = [each.position_mm for each in volume.slices]
    np.testing.assert_allclose(np.diff(positions), 2.0, atol=1e-3)
    assert volume.step_mm == pytest.approx(2.0)
    assert {each.spacing_mm for each in volume.slices} == {(0.54, 0.54)}
    assert {each.plane.normal for each in volume.slices} == {(0.0, 0.0, 1.0)}
    assert {each.hounsfield.shape for each in volume.slices} == {(512, 512)}
    middle = volume.slices[71].hounsfield
    assert middle.min() == -1024
    assert 0.2 < np.mean((middle > -950) & (middle < -600)) < 0.6
    by_file = {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in paths}
    assert {each.sop_instance_uid for each in volume.slices} == by_file


def test_one_slice_is_the_same_in_every_lossless_transfer_syntax(pool: DecoderPool) -> None:
    decodable = decodable_transfer_syntaxes()
    read: dict[str, np.ndarray] = {}
    for path in sorted(ONE_SLICE.iterdir()):
        uid = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
        if uid in decodable:
            (each,) = pool.submit_slices(path).result()
            read[uid] = each.hounsfield
    reference = read["1.2.840.10008.1.2.1"]
    assert reference.min() == -1024
    assert reference.max() == 2402 - 1024
    mean_error = {uid: np.abs(each.astype(int) - reference).mean() for uid, each in read.items()}
    lossy = {"50": 30, "51": 6, "81": 2, "91": 4}  # in HU; .50 has 8 bits for 4400 HU
    for uid, difference in mean_error.items():
        assert difference <= lossy.get(uid.removeprefix("1.2.840.10008.1.2.4."), 0), uid
    assert {uid.rpartition(".")[2] for uid in read} >= {"50", "51", "57", "70", "80", "81", "90", "91", "5"}


def test_progressive_and_spectral_jpeg_are_refused(pool: DecoderPool) -> None:
    for retired in ("53", "55"):
        (path,) = ONE_SLICE.glob(f"*.4.{retired}.dcm")
        with pytest.raises(UnreadablePixels, match="No pixel data decoders"):
            pool.submit_slices(path).result()


def test_a_htj2k_film_is_read(pool: DecoderPool) -> None:
    film = pool.submit_film(THORAX).result()
    assert film.pixels.shape == (1511, 1692)
    assert film.spacing_mm == (0.13598, 0.13598)
    assert film.pixels.min() < 0.01
    assert film.pixels.max() == 1.0


@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG1_J2KI.dcm", "RG1_UNCR.dcm", "RG1_J2KR.dcm"])
def test_a_monochrome1_chest_film_has_dark_lungs_and_a_white_spine(pool: DecoderPool, name: str) -> None:
    film = pool.submit_film(pydicom_file(name)).result()
    assert film.pixels.shape == (1955, 1841)
    assert film.spacing_mm is None, "the file says 0.000\\0.000"
    spine, lung = film.pixels[900:1100, 780:860].mean(), film.pixels[500:700, 450:550].mean()
    assert spine > lung + 0.1


def test_jpeg2000_films_are_as_their_uncompressed_copies(pool: DecoderPool) -> None:
    for packed, native in (("RG1_J2KR.dcm", "RG1_UNCR.dcm"), ("RG3_J2KR.dcm", "RG3_UNCR.dcm")):
        one, other = (pool.submit_film(pydicom_file(name)).result() for name in (packed, native))
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_real_enhanced_ct_is_read(pool: DecoderPool) -> None:
    slices = pool.submit_slices(pydicom_file("eCT_Supplemental.dcm")).result()
    assert [each.frame_number for each in slices] == [1, 2]
    assert {each.hounsfield.shape for each in slices} == {(512, 512)}
    assert {each.spacing_mm for each in slices} == {(0.388672, 0.388672)}
    assert len({each.position_mm for each in slices}) == 2


def test_no_odd_file_kills_a_decoder(pool: DecoderPool) -> None:
    before = pool.child_pids()
    paths = sorted(DICOM.glob("pydicom__pydicom/*/*.dcm")) + sorted(
        pydicom_file("RG1_UNCI.dcm").parent.iterdir()
    )
    outcomes = [
        (path.name, submit(path).exception())
        for path in paths
        for submit in (pool.submit_film, pool.submit_slices)
    ]
    strange = [(name, error) for name, error in outcomes if not isinstance(error, UnreadablePixels | None)]
    assert strange == []
    assert pool.child_pids() == before


def pydicom_file(name: str) -> Path:
    """A file of the PyPI package pydicom-data; never from the network."""
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"{name} needs the package pydicom-data")
    return Path(str(found))
