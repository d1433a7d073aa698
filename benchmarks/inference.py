"""How fast models read: engines, heat maps, preparation and a whole CT study, measured in one run.

`python -m benchmarks.inference [--rounds 30] [--json]`. Needs the `train` extra, because it exports graphs.
One thread, CPU time of the process, alternatives in turn: compare ratios, never the milliseconds of two runs.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pydicom
import torch
from onnx.utils import Extractor
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Race, Spread, race
from models.catalog import load_network
from models.classifiers import SliceClassifier
from models.contract import ImageKind, ModelCard
from models.defaults import DEFAULT_MODELS
from models.engines import OnnxEngine
from models.installation import installed
from models.networks.interface import ChestNetwork
from models.networks.registry import NETWORKS, build_network
from models.onnx_graph import write_graph
from models.preprocessing import prepare_radiograph, prepare_slices
from models.preprocessing_spec import Preprocessing, Window

FILM = Preprocessing(input_size=299, common_size=224, window=None)
SLICES = Preprocessing(input_size=256, common_size=224, window=Window(centre=-600, width=1500))
STUDY_SLICES, STUDY_CORES = 143, 2
DATA = Path(os.environ.get("DICOM_NODE_DATA_DIR") or Path(__file__).resolve().parents[2] / "shared" / "data")
SERIES = DATA / "dicom" / "OHIF__viewer-testdata-dicomweb" / "nlst_chest_ct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measured figure beside what it should be."""

    what: str
    figure: Spread
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        met_below = self.at_least is None or self.figure.median >= self.at_least
        return met_below and (self.at_most is None or self.figure.median <= self.at_most)

    def __str__(self) -> str:
        target = f">= {self.at_least}" if self.at_least else f"<= {self.at_most}" if self.at_most else ""
        verdict = ("met" if self.is_met else "MISSED") if target else ""
        return f"{self.what:66} {self.figure!s:>22} {self.unit:2} {target:8} {verdict:6} {self.note}"


def main() -> None:
    """Print every figure of the run, each with its target."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=30)
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    torch.set_num_threads(1)
    found: list[Line] = []
    for line in measured(options.rounds):
        found.append(line)
        if not options.json:
            print(line, flush=True)
    if options.json:
        print(json.dumps([asdict(line) | {"is_met": line.is_met} for line in found], indent=2))


def measured(rounds: int) -> Iterator[Line]:
    """Measure one subject after the other."""
    with tempfile.TemporaryDirectory() as folder:
        yield from engines("modified_mobilenet_v3_small", 3.5, Path(folder), rounds)
        yield from engines("modified_resnet18", 1.8, Path(folder), rounds)
        yield from preparation(rounds)
        yield from study(Path(folder))


@torch.no_grad()
def engines(name: str, target: float, folder: Path, rounds: int) -> Iterator[Line]:
    """Compare the served graph with torch, and its heat maps with a graph that has none."""
    network, note = _network(name)
    size = NETWORKS[name].input_size
    served, plain = _graphs(network, folder / name, size)
    channels_last = _copy(network, name).to(memory_format=torch.channels_last)
    images = torch.rand(1, 3, size, size) * 255
    turned = images.contiguous(memory_format=torch.channels_last)
    alternatives = {
        "torch": lambda: network(images),
        "torch with maps": lambda: network.explained(images),
        "torch channels last": lambda: channels_last(turned),
        "graph": lambda: served.run(images),
        "graph without maps": lambda: plain.run(None, {"images": images.numpy()}),
    }
    result = race(alternatives, rounds)
    for one in alternatives:
        yield Line(what=f"{name}: {one}", figure=result.spread(one), unit="ms", note=note)
    yield from _engine_ratios(name, result, target)


def _engine_ratios(name: str, result: Race, target: float) -> Iterator[Line]:
    def ratio(slower: str, faster: str, **target: float) -> Line:
        return Line(what=f"{name}: {slower} / {faster}", figure=result.ratio(slower, faster), **target)

    yield ratio("torch", "graph without maps", at_least=target)
    yield ratio("torch with maps", "graph", at_least=target)
    yield ratio("torch channels last", "graph without maps")
    yield ratio("graph", "graph without maps", at_most=1.10)


def _network(name: str) -> tuple[ChestNetwork, str]:
    """Return a network with shipped weights, or else with random ones, and which it is."""
    for card in installed():
        if card.network == name:
            network = load_network(card).to(memory_format=torch.contiguous_format)
            return network, f"weights of {card.name} {card.version}"
    torch.manual_seed(1)
    network = build_network(name, classes=NETWORKS[name].classes).eval().requires_grad_(False)
    return network, "random weights, timing only"


def _copy(network: ChestNetwork, name: str) -> ChestNetwork:
    copied = build_network(name, classes=len(network(torch.zeros(1, 3, 64, 64))[0]))
    copied.load_state_dict(network.state_dict())
    return copied.eval().requires_grad_(False)


def _graphs(
    network: ChestNetwork, folder: Path, size: int
) -> tuple[OnnxEngine, onnxruntime.InferenceSession]:
    """Return the graph that serves, and the same one cut off at its logits."""
    folder.mkdir()
    weights = folder / "model.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, weights)
    write_graph(network, weights, folder / "model.onnx", size)
    whole = onnx.load(folder / "model.onnx", load_external_data=False)
    onnx.save(Extractor(whole).extract_model(["images"], ["logits"]), folder / "plain.onnx")
    return OnnxEngine(folder / "model.onnx"), OnnxEngine(folder / "plain.onnx").session


def preparation(rounds: int) -> Iterator[Line]:
    """Compare the preparation, which MONAI's transforms do, with the same steps in torch alone."""
    noise = np.random.default_rng(1)
    film = noise.random((2500, 2000), dtype=np.float32)
    slices = noise.integers(-1200, 600, (8, 512, 512)).astype(np.int16)
    _check_equal(prepare_radiograph(film, FILM), film_without_monai(film))
    _check_equal(prepare_slices(slices, SLICES), slices_without_monai(slices))
    alternatives = {
        "film 2500 x 2000 with MONAI": lambda: prepare_radiograph(film, FILM).contiguous(),
        "film 2500 x 2000 without": lambda: film_without_monai(film).contiguous(),
        "8 slices 512 x 512 with MONAI": lambda: prepare_slices(slices, SLICES).contiguous(),
        "8 slices 512 x 512 without": lambda: slices_without_monai(slices).contiguous(),
    }
    result = race(alternatives, rounds)
    for one in alternatives:
        yield Line(what=f"preparation: {one}", figure=result.spread(one), unit="ms")
    for what in ("film 2500 x 2000", "8 slices 512 x 512"):
        figure = result.ratio(f"{what} with MONAI", f"{what} without")
        yield Line(what=f"preparation: {what}, with MONAI / without", figure=figure, at_most=1.3)


def film_without_monai(pixels: npt.NDArray[np.float32]) -> Tensor:
    return _without_monai(torch.from_numpy(pixels)[None], FILM)


def slices_without_monai(slices: npt.NDArray[np.int16]) -> Tensor:
    assert SLICES.window
    low, high = SLICES.window.lowest, SLICES.window.highest
    clipped = torch.from_numpy(np.clip(slices, low, high).astype(np.float32))
    return _without_monai((clipped - low) / float(high - low), SLICES)


def _without_monai(images: Tensor, spec: Preprocessing) -> Tensor:
    common = functional.interpolate(images[:, None], size=(spec.common_size,) * 2, mode="area")
    resized = functional.interpolate(common, size=(spec.input_size,) * 2, mode="bilinear")
    return (resized * spec.pixel_scale).expand(-1, spec.channels, -1, -1)


def _check_equal(ours: Tensor, theirs: Tensor) -> None:
    assert torch.allclose(ours, theirs, atol=1e-2), "the two preparations differ"


def study(folder: Path) -> Iterator[Line]:
    """Read a whole study as the default CT model of a worker with two threads does."""
    cards = [card for card in installed() if card.kind is ImageKind.CHEST_CT]
    card = max(cards, key=lambda one: one.name == DEFAULT_MODELS[ImageKind.CHEST_CT])
    classifier = SliceClassifier(card=card, engine=_study_engine(card, folder))
    volume, source = _volume()
    classifier.classify(volume[:8])
    wall, cpu = time.perf_counter(), time.process_time()
    classifier.classify(volume)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    what = f"CT study of {len(volume)} slices, prepared and classified by {card.network}"
    note = f"{source}, weights of {card.name} {card.version}"
    yield Line(what=f"{what}: wall", figure=Spread.of([wall]), unit="s", note="what else runs here counts")
    yield Line(
        what=f"{what}: CPU / {STUDY_CORES} cores",
        figure=Spread.of([cpu / STUDY_CORES]),
        unit="s",
        at_most=12,
        note=note,
    )


def _study_engine(card: ModelCard, folder: Path) -> OnnxEngine:
    if card.graph_sha256:
        return OnnxEngine(card.graph, STUDY_CORES)
    weights = folder / "model.safetensors"
    weights.write_bytes(card.weights.read_bytes())
    write_graph(load_network(card), weights, folder / "model.onnx", card.preprocessing.input_size)
    return OnnxEngine(folder / "model.onnx", STUDY_CORES)


def _volume() -> tuple[npt.NDArray[np.int16], str]:
    if not SERIES.is_dir():
        noise = np.random.default_rng(1).integers(-1000, 400, (STUDY_SLICES, 512, 512))
        return noise.astype(np.int16), "made noise, timing only"
    read = [pydicom.dcmread(path) for path in sorted(SERIES.glob("*.dcm"))]
    hounsfield = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in read]
    return np.stack(hounsfield).astype(np.int16), "a real series"


if __name__ == "__main__":
    main()
