"""Pictures of a manifest are read in order, from either folder, and a bad one is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.datasets.manifest import ImageRow
from models.engines import TorchEngine
from models.errors import UnreadablePicture
from models.evaluation.answers import run_network
from models.evaluation.reading import CHUNK, Reader, Unreadable, read_pictures
from models.networks.interface import ChestNetwork
from models.networks.registry import build_network
from models.preprocessing_spec import Preprocessing

SPEC = Preprocessing(input_size=32, common_size=36, window=None)
LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def network() -> ChestNetwork:
    torch.manual_seed(1)
    return build_network("modified_mobilenet_v3_small", classes=3).eval()


def _reader(network: ChestNetwork, *roots: Path, unreadable: Unreadable = Unreadable.REFUSE) -> Reader:
    return Reader(
        network=TorchEngine(network, "cpu"),
        preprocessing=SPEC,
        labels=LABELS,
        temperature=2.0,
        roots=roots,
        unreadable=unreadable,
    )


def _drawn(folder: Path, *names: str) -> tuple[ImageRow, ...]:
    folder.mkdir(exist_ok=True)
    for name in names:
        pixels = np.random.default_rng(len(name) + ord(name[0])).integers(0, 255, (40, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return tuple(
        ImageRow(file=name, label="a", source="s", group=name, part="p", sha256="") for name in names
    )


def _nothing(_done: int, _of: int) -> None:
    pass


def test_a_network_and_its_engine_give_the_same(network: ChestNetwork) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (18, 36, 36), dtype=np.uint8)
    direct, engine = (run_network(n, pixels, SPEC) for n in (network, TorchEngine(network, "cpu")))
    assert torch.allclose(direct.logits, engine.logits, atol=1e-4)
    assert torch.allclose(direct.pooled, engine.pooled, atol=1e-4)


def test_rows_keep_their_order_over_several_chunks(network: ChestNetwork, tmp_path: Path) -> None:
    rows = _drawn(tmp_path, "x.png", "y.jpg", "zz.png") * (CHUNK // 3 + 2)
    seen: list[tuple[int, int]] = []
    reading = read_pictures(_reader(network, tmp_path), rows, lambda i, n: seen.append((i, n)))
    assert reading.answered.rows == rows
    assert np.allclose(reading.answered.probabilities[:3], reading.answered.probabilities[-3:], atol=1e-5)
    assert not np.allclose(reading.answered.probabilities[0], reading.answered.probabilities[1], atol=1e-5)
    assert np.allclose(reading.answered.probabilities.sum(axis=1), 1)
    assert reading.small.shape == (len(rows), 32, 32)
    assert seen == [(CHUNK, len(rows)), (len(rows), len(rows))]


def test_a_file_beside_the_manifest_comes_before_one_in_the_data_folder(
    network: ChestNetwork, tmp_path: Path
) -> None:
    beside, data = tmp_path / "beside", tmp_path / "data"
    _drawn(data, "x.png", "y.png")
    rows = _drawn(beside, "x.png")
    Image.new("L", (20, 20), 255).save(beside / "x.png")
    both = read_pictures(_reader(network, beside, data), (*rows, *_drawn(data, "y.png")), _nothing)
    assert both.small[0].min() == 1.0
    assert both.small[1].std() > 0


def test_a_missing_picture_is_named_before_any_is_read(network: ChestNetwork, tmp_path: Path) -> None:
    rows = (*_drawn(tmp_path, "x.png"), ImageRow(**_fields("gone.png")))
    seen: list[int] = []
    with pytest.raises(UnreadablePicture, match=r"gone\.png: there is no such file"):
        read_pictures(_reader(network, tmp_path), rows, lambda i, _: seen.append(i))
    assert seen == []


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_broken_picture_is_named(network: ChestNetwork, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(UnreadablePicture, match=r"bad\.png"):
        read_pictures(_reader(network, tmp_path), (ImageRow(**_fields("bad.png")),), _nothing)


def test_a_truncated_picture_is_named(network: ChestNetwork, tmp_path: Path) -> None:
    rows = _drawn(tmp_path, "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadablePicture, match=r"x\.png"):
        read_pictures(_reader(network, tmp_path), rows, _nothing)


def test_a_picture_of_16_bits_is_refused_and_not_cut_to_white(network: ChestNetwork, tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 30), 3000, dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnreadablePicture, match="8 bits"):
        read_pictures(_reader(network, tmp_path), (ImageRow(**_fields("deep.png")),), _nothing)


def test_unreadable_pictures_are_left_out_and_counted(network: ChestNetwork, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    good = _drawn(tmp_path, "x.png", "y.png")
    rows = (good[0], ImageRow(**_fields("bad.png")), ImageRow(**_fields("gone.png")), good[1])
    reading = read_pictures(_reader(network, tmp_path, unreadable=Unreadable.SKIP), rows, _nothing)
    assert reading.answered.rows == good
    assert [fault.path.name for fault in reading.skipped] == ["bad.png", "gone.png"]
    alone = read_pictures(_reader(network, tmp_path), good, _nothing)
    assert np.allclose(alone.answered.probabilities, reading.answered.probabilities, atol=1e-5)


def _fields(name: str) -> dict[str, str]:
    return {"file": name, "label": "a", "source": "s", "group": name, "part": "p", "sha256": ""}
