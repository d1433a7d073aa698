"""ONNX Runtime and torch give the same logits, features and maps, for a small network of each family."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig

from models.engines import OnnxEngine, TorchEngine
from models.errors import MustNotServe, NotExportable
from models.networks.baselines import Baseline
from models.networks.dynamic_fusion import DynamicFusion, Fusion, FusionHead, HardSwishVector
from models.networks.enhanced import EnhancedNetwork
from models.networks.heads import FlattenHead, HardSwishHead, LogitMapHead, PooledLinearHead
from models.networks.interface import ChestNetwork, Explained
from models.networks.normalisation import Norm
from models.networks.trunks import Backbone, Trunk
from models.onnx_graph import stored_tensors, write_graph

CLASSES, SIZE = 3, 64


def block(channels: int, out: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def squeezing() -> nn.Module:
    """MobileNetV3's block, with squeeze and excitation and h-swish."""
    settings = InvertedResidualConfig(8, 3, 16, 8, True, "HS", 1, 1, 1.0)
    return InvertedResidual(settings, nn.BatchNorm2d)


def fusion(how: Fusion = Fusion.PER_SAMPLE, vector: HardSwishVector | None = None) -> DynamicFusion:
    return DynamicFusion(
        stages=[block(3, 8), squeezing(), block(8, 12), block(12, 16)],
        last_stage=block(16, 16),
        vector=vector,
        channels=(8, 8, 12, 16, 20 if vector else 16),
        head=FusionHead(classes=CLASSES, width=6, dropout=0.5, fusion=how, norm=Norm.RAW),
    )


def enhanced() -> EnhancedNetwork:
    channels = (3, 4, 6, 8, 12, 16)
    stages = [nn.Identity(), *(block(a, b) for a, b in pairwise(channels))]
    backbone = Backbone(
        trunk=Trunk(stages, channels, Norm.IMAGENET),
        tail=block(16, 20, stride=1),
        tail_channels=20,
        head=lambda classes: PooledLinearHead(20, classes, dropout=0.2),
    )
    return EnhancedNetwork(backbone, CLASSES)


def baseline(head: nn.Module) -> Baseline:
    assert isinstance(head, PooledLinearHead | HardSwishHead | LogitMapHead | FlattenHead)
    return Baseline(nn.Sequential(block(3, 8), block(8, 16), block(16, 16)), head, Norm.UNIT)


FAMILIES: dict[str, Callable[[], ChestNetwork]] = {
    "dynamic fusion with MobileNetV3's vector": lambda: fusion(vector=HardSwishVector(nn.Conv2d(16, 20, 1))),
    "concatenated fusion": lambda: fusion(Fusion.CONCATENATED),
    "h-swish head": lambda: baseline(HardSwishHead(16, 32, CLASSES)),
    "logit maps": lambda: baseline(LogitMapHead(16, CLASSES)),
    "D-SPP and CID": enhanced,
}


def lively(build: Callable[[], ChestNetwork]) -> ChestNetwork:
    """Return a network whose batch norms have seen something, so that nothing in them is neutral."""
    torch.manual_seed(11)
    network = build().train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(8, 3, SIZE, SIZE) * 255)
    return network.eval().requires_grad_(False)


def exported(network: ChestNetwork, folder: Path, *, half: bool = False) -> Path:
    state = network.state_dict()
    stored = {k: v.half() if half and v.ndim > 1 else v for k, v in state.items()}
    save_file({k: v.contiguous() for k, v in stored.items()}, folder / "model.safetensors")
    write_graph(network, folder / "model.safetensors", folder / "model.onnx", SIZE)
    return folder / "model.onnx"


def assert_same(found: Explained, wanted: Explained, tolerance: float = 1e-4) -> None:
    pairs: list[tuple[Tensor, Tensor]] = [(found.logits, wanted.logits), (found.pooled, wanted.pooled)]
    pairs += zip(found.maps, wanted.maps, strict=True)
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert ours.dtype == torch.float32
        assert float((ours - theirs).abs().max()) <= tolerance * float(theirs.abs().max().clamp(min=1))


def one_of(batch: Explained, index: int) -> Explained:
    return Explained(
        logits=batch.logits[index : index + 1],
        pooled=batch.pooled[index : index + 1],
        maps=tuple(scale[index : index + 1] for scale in batch.maps),
    )


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of D-SPP and CID."""
    return exported(lively(enhanced), tmp_path_factory.mktemp("enhanced"))


@pytest.mark.parametrize("family", FAMILIES)
def test_both_engines_agree_and_one_image_is_read_as_in_a_batch(
    family: str, graph: Path, tmp_path: Path
) -> None:
    network = lively(FAMILIES[family])
    engine = OnnxEngine(graph if family == "D-SPP and CID" else exported(network, tmp_path))
    images = torch.rand(5, 3, SIZE, SIZE) * 255
    batch = engine.run(images)
    assert_same(batch, TorchEngine(network, "cpu").run(images))
    assert_same(engine.run(images[3:4]), one_of(batch, 3))
    assert float(batch.logits.std()) > 1e-3  # the images do not all look alike to it


def test_weights_stored_at_half_precision_are_widened(tmp_path: Path) -> None:
    network = lively(lambda: baseline(PooledLinearHead(16, CLASSES)))
    network.get_parameter("head.linear.weight").mul_(100)
    engine = OnnxEngine(exported(network, tmp_path, half=True))
    images = torch.rand(2, 3, SIZE, SIZE) * 255
    whole = TorchEngine(network, "cpu").run(images)
    network.load_state_dict({k: v.half() if v.ndim > 1 else v for k, v in network.state_dict().items()})
    rounded = TorchEngine(network, "cpu").run(images)
    assert_same(engine.run(images), rounded, tolerance=1e-5)
    assert float((whole.logits - rounded.logits).abs().max()) > 1e-4


def test_the_graph_holds_no_weight_but_points_at_each(graph: Path) -> None:
    model = onnx.load(graph, load_external_data=False)
    stored = stored_tensors(graph.with_name("model.safetensors"))
    referred = {
        i.name.removeprefix("network."): {entry.key: entry.value for entry in i.external_data}
        for i in model.graph.initializer
        if i.data_location == TensorProto.EXTERNAL
    }
    assert referred.keys() == {name for name in stored if not name.endswith("num_batches_tracked")}
    for name, place in referred.items():
        assert place == {
            "location": "model.safetensors",
            "offset": str(stored[name].offset),
            "length": str(stored[name].length),
        }
    inline = [i for i in model.graph.initializer if i.data_location != TensorProto.EXTERNAL]
    assert sum(len(i.raw_data) for i in inline) < 2000


def test_the_graph_answers_with_the_weights_that_lie_beside_it(graph: Path, tmp_path: Path) -> None:
    weights = graph.with_name("model.safetensors")
    place = stored_tensors(weights)["head.linear.bias"]
    content = bytearray(weights.read_bytes())
    content[place.offset : place.offset + place.length] = torch.full((CLASSES,), 7.0).numpy().tobytes()
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "model.onnx").write_bytes(graph.read_bytes())
    images = torch.rand(1, 3, SIZE, SIZE) * 255
    before, after = (OnnxEngine(path).run(images) for path in (graph, tmp_path / "model.onnx"))
    assert not torch.allclose(before.logits, after.logits, atol=1)
    assert torch.equal(before.maps[0], after.maps[0])


def test_the_graph_says_nothing_of_the_machine_that_wrote_it(graph: Path, tmp_path: Path) -> None:
    again = exported(lively(enhanced), tmp_path)
    assert again.read_bytes() == graph.read_bytes()
    assert b"site-packages" not in graph.read_bytes()
    assert b"/models/" not in graph.read_bytes()


def test_what_needs_a_backward_pass_gets_no_graph_and_is_run_by_torch(tmp_path: Path) -> None:
    network = lively(
        lambda: baseline(FlattenHead(nn.Sequential(nn.Linear(16 * 49, 8), nn.ReLU(), nn.Linear(8, 3))))
    )
    with pytest.raises(NotExportable, match="backward"):
        exported(network, tmp_path)
    assert not (tmp_path / "model.onnx").exists()
    found = TorchEngine(network, "cpu").run(torch.rand(2, 3, SIZE, SIZE) * 255)
    assert found.maps[0].abs().sum() > 0


def test_a_reproduction_that_couples_patients_gets_no_graph(tmp_path: Path) -> None:
    with pytest.raises(MustNotServe):
        exported(lively(lambda: fusion(Fusion.AUTHORS)), tmp_path)


def test_a_weight_that_is_not_in_the_file_is_missed(tmp_path: Path) -> None:
    network = lively(enhanced)
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(NotExportable, match="holds no"):
        write_graph(network, tmp_path / "model.safetensors", tmp_path / "model.onnx", SIZE)
