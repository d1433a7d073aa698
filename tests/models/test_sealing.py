"""A sealed model keeps its promises; whatever is changed afterwards is found and named."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from models.catalog import card_named, installed, load, load_engine, load_network
from models.classifiers import SliceClassifier
from models.cli import app
from models.contract import ImageKind, ModelCard, card_text, read_card
from models.defaults import DEFAULT_MODELS
from models.engines import OnnxEngine, TorchEngine
from models.errors import AnswerChanged, MustNotServe, WeightsCorrupted, WeightsMissing
from models.golden import check_golden_prediction, golden_picture
from models.installation import weights_digest
from models.networks.registry import build_network
from models.sealing import seal
from models.verification import verify_whole

SHIPPED_CT = DEFAULT_MODELS[ImageKind.CHEST_CT]


def unsealed(folder: Path, network: str) -> ModelCard:
    """Write random weights of a network, and return a card that speaks of them."""
    card = card_named(SHIPPED_CT)
    folder = folder / "tried" / card.version
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    state = build_network(network, classes=len(card.labels)).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    changes = {
        "name": "tried",
        "network": network,
        "preprocessing": card.preprocessing.model_copy(update={"input_size": 64, "common_size": 64}),
        "weights_sha256": weights_digest(folder / "model.safetensors"),
        "gate": None,
        "folder": folder,
    }
    return card.model_copy(update=changes)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    seal(unsealed(folder, "squeezenet1_0"))
    return folder


@pytest.fixture
def own_shelf(shelf: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shelf, tmp_path / "shelf")


def the_card(shelf: Path) -> ModelCard:
    (card,) = installed(shelf)
    return card


def test_a_sealed_model_is_intact_in_every_respect(shelf: Path) -> None:
    card = the_card(shelf)
    assert card.graph_sha256
    assert card.golden
    found = verify_whole(card)
    assert set(found.faults) == {"weights", "graph", "card", "golden prediction"}
    assert found.fault is None


def test_either_engine_gives_the_golden_prediction(shelf: Path) -> None:
    card = the_card(shelf)
    assert isinstance(load_engine(card), OnnxEngine)
    without_graph = card.model_copy(update={"graph_sha256": None})
    assert isinstance(load_engine(without_graph), TorchEngine)
    for served in (card, without_graph):
        check_golden_prediction(served, load_engine(served))
        assert isinstance(load(served), SliceClassifier)


@pytest.mark.parametrize(("what", "name"), [("weights", "model.safetensors"), ("graph", "model.onnx")])
def test_one_changed_bit_is_found_and_nothing_is_loaded(what: str, name: str, own_shelf: Path) -> None:
    card = the_card(own_shelf)
    content = bytearray((card.folder / name).read_bytes())
    content[-1] ^= 1
    (card.folder / name).write_bytes(content)
    assert name in verify_whole(card).faults[what]
    with pytest.raises(WeightsCorrupted):
        load(card)
    (card.folder / name).unlink()
    with pytest.raises(WeightsMissing):
        load(card)


def test_a_card_that_is_not_the_manifest_s_is_found(own_shelf: Path) -> None:
    card = the_card(own_shelf)
    card.text.write_text(card.text.read_text() + "\nBetter than it is.\n")
    assert "MODEL_CARD.md" in verify_whole(card).faults["card"]
    card.text.unlink()
    assert "MODEL_CARD.md" in str(verify_whole(card).fault)


def test_another_answer_than_the_golden_one_is_found(own_shelf: Path) -> None:
    card = the_card(own_shelf)
    assert card.golden
    label = card.labels[1]
    logits = card.golden.logits | {label: card.golden.logits[label] + 2 * card.golden.tolerance}
    promising = card.model_copy(update={"golden": card.golden.model_copy(update={"logits": logits})})
    with pytest.raises(AnswerChanged, match=label):
        check_golden_prediction(promising, load_engine(promising))
    (card.folder / "manifest.json").write_text(card_text(promising))
    told = CliRunner().invoke(app, ["verify", "--weights", str(own_shelf), "--json"])
    assert told.exit_code == 1
    (verdict,) = json.loads(told.output)
    assert label in verdict["fault"]
    assert verdict["checks"]["graph"] == "as promised"


def test_an_older_card_promises_less_and_is_served_by_torch(own_shelf: Path) -> None:
    path = the_card(own_shelf).folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["graph_sha256"], content["golden"]
    path.write_text(json.dumps(content))
    card = read_card(path)
    assert not any(verify_whole(card).faults[what] for what in ("weights", "graph", "golden prediction"))
    told = CliRunner().invoke(app, ["verify", "--weights", str(own_shelf)])
    assert told.output.count("none promised") == 2
    assert isinstance(load_engine(card), TorchEngine)


def test_a_reproduction_can_be_measured_and_never_serves(tmp_path: Path) -> None:
    card = seal(unsealed(tmp_path, "modified_resnet18_authors"))
    assert card.graph_sha256 is None
    assert card.golden is None
    assert not load_network(card).serves
    with pytest.raises(MustNotServe, match="reproduction"):
        load(card)


def test_the_golden_picture_is_the_same_for_a_seed_and_no_other() -> None:
    assert (golden_picture(1) == golden_picture(1)).all()
    assert (golden_picture(1) != golden_picture(2)).any()
    assert golden_picture(1).min() >= 0
    assert golden_picture(1).max() <= 1
