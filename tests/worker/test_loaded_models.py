"""Which of the installed models a worker offers: the defaults, or those that the operator names."""

import shutil
from pathlib import Path

import pytest

from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError
from models.catalog import card_named, installed, shipped_weights
from models.contract import ImageKind, ModelCard, card_text
from models.defaults import DEFAULT_MODELS
from worker.loaded_models import LoadedModels, chosen_cards

CT = DEFAULT_MODELS[ImageKind.CHEST_CT]
CXR = DEFAULT_MODELS[ImageKind.CHEST_RADIOGRAPH]


def named(card: ModelCard, name: str, version: str = "0.1.0") -> ModelCard:
    return card.model_copy(update={"name": name, "version": version})


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default film model under three names, one of them in two versions."""
    folder = tmp_path_factory.mktemp("shelf")
    original = card_named(CXR)
    for card in (named(original, CXR), named(original, "other"), named(original, "other", "0.2.0")):
        home = folder / card.name / card.version
        shutil.copytree(original.folder, home)
        (home / "manifest.json").write_text(card_text(card))
    return folder


def offered(models: LoadedModels) -> list[tuple[str, str]]:
    """What reads where the routes name no model."""
    return [(model.identity.name, model.identity.version) for model in models.registered() if model.chosen]


def identity(name: str, version: str) -> ModelIdentity:
    digest = card_named(CXR).weights_sha256
    return ModelIdentity(name=name, version=version, weights_sha256=digest)


def test_there_is_a_default_for_every_kind_of_image_and_it_ships() -> None:
    assert {kind: card_named(name).kind for kind, name in DEFAULT_MODELS.items()} == {k: k for k in ImageKind}


def test_the_defaults_are_offered_and_no_other(shelf: Path) -> None:
    assert {card.name for card in chosen_cards(installed(), ())} == {CT, CXR}
    assert offered(LoadedModels(shelf, "cpu")) == [(CXR, card_named(CXR).version)]


def test_the_named_models_are_offered_in_their_newest_version(shelf: Path) -> None:
    models = LoadedModels(shelf, "cpu", names=("other",))
    assert offered(models) == [("other", "0.2.0")]
    assert models.get(identity("other", "0.1.0")).card.version == "0.1.0"


def test_a_study_promised_to_a_model_that_is_no_longer_offered_is_still_read(shelf: Path) -> None:
    models = LoadedModels(shelf, "cpu", names=("other",))
    promised = models.get(identity(CXR, "0.1.0"))
    assert promised.card.name == CXR
    assert models.get(identity(CXR, "0.1.0")) is promised
    assert offered(models) == [("other", "0.2.0")]


def test_whatever_else_is_installed_can_be_named_in_routes_and_stages(shelf: Path) -> None:
    models = LoadedModels(shelf, "cpu", names=("other",))
    others = [model for model in models.registered() if not model.chosen]
    assert {(model.identity.name, model.identity.version) for model in others} == {
        (CXR, "0.1.0"),
        ("other", "0.1.0"),
    }
    assert {model.modalities for model in others} == {frozenset({"CR", "DX"})}


def test_weights_without_a_golden_answer_are_not_offered_unless_chosen(tmp_path: Path) -> None:
    original = card_named(CXR)
    for card in (original, named(original, "unsealed").model_copy(update={"golden": None})):
        home = tmp_path / card.name / card.version
        shutil.copytree(original.folder, home)
        (home / "manifest.json").write_text(card_text(card))
    assert [model.identity.name for model in LoadedModels(tmp_path, "cpu").registered()] == [CXR]


def test_a_model_that_is_not_installed_is_refused_by_name(shelf: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"'nonesuch'.*installed: {CXR}, other"):
        LoadedModels(shelf, "cpu", names=("other", "nonesuch"))
    with pytest.raises(ConfigurationError, match="not installed on this worker"):
        LoadedModels(shelf, "cpu").get(identity("nonesuch", "0.1.0"))


def test_a_folder_without_a_default_model_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DICOM_NODE_MODELS"):
        LoadedModels(tmp_path, "cpu")
    original = shipped_weights() / CT
    shutil.copytree(original, tmp_path / "mine")
    for path in (tmp_path / "mine").glob("*/manifest.json"):
        path.write_text(path.read_text().replace(f'"name": "{CT}"', '"name": "mine"'))
    with pytest.raises(ConfigurationError, match="installed: mine"):
        LoadedModels(tmp_path, "cpu")
