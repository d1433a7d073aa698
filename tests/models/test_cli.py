"""The commands, from made pictures to weights that classify; and a command line that starts without torch."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from models.catalog import installed, load
from models.classifiers import RadiographClassifier, SliceClassifier
from models.cli import app
from models.contract import read_card
from models.errors import ManifestInvalid, UnusableInput, WeightsCorrupted, WeightsMissing
from models.installation import verify

MakeRow = Callable[..., object]


@pytest.fixture(scope="module")
def runner() -> CliRunner:
    return CliRunner()


def _film_rows(made: MakeRow) -> list[object]:
    strata = (
        ("covid19", "hannover"),
        ("tuberculosis", "tb-rahman"),
        ("pneumonia_bacterial", "kermany"),
        ("pneumonia_viral", "kermany"),
        ("normal", "kermany"),
    )
    rows = [
        made(label=label, source=source, group=f"{label}{n}") for label, source in strata for n in range(5)
    ]
    rows.append(made(label="pneumonia_unspecified", source="nih-chestxray8", group="u"))
    return [*rows, *(made(label="covid19", source="far", group=f"far{n}", part="external") for n in range(2))]


def _slice_rows(made: MakeRow) -> list[object]:
    strata = (("covid19", "mosmed"), ("non_covid", "covid19-ct-ucsd"), ("normal", "mosmed"))
    return [
        made(label=label, source=source, group=f"{label}{n}") for label, source in strata for n in range(5)
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, runner: CliRunner) -> Path:
    """A folder where both recipes were trained for a step on drawn pictures, fitted again, and exported."""
    folder = tmp_path_factory.mktemp("shop")
    draw_all(folder)
    for name in ("cxr-mobilenetv3-dynamic", "ct-resnet18-dynamic"):
        where = ["--data", str(folder / "data"), "--runs", str(folder / "runs")]
        trained = runner.invoke(app, ["train", name, *where, "--epochs", "1"])
        assert trained.exit_code == 0, trained.output
        assert trained.output.startswith("finished")
        again = runner.invoke(app, ["train", name, *where, "--epochs", "1", "--refit"])
        assert again.exit_code == 0, again.output
        exported = runner.invoke(
            app, ["export", name, *where, "--weights", str(folder / "weights"), "--json"]
        )
        assert exported.exit_code == 0, exported.output
    return folder


def draw_all(folder: Path) -> None:
    """Draw both manifests' pictures."""
    (folder / "data").mkdir()
    noise = np.random.default_rng(5)
    for manifest, rows in (("cxr.csv", _film_rows(dict)), ("ct.csv", _slice_rows(dict))):
        with (folder / "data" / manifest).open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["file", "label", "source", "group", "part", "sha256", "licence"])
            for number, row in enumerate(rows):
                assert isinstance(row, dict)
                name = f"{manifest[:3]}{number}.png"
                Image.fromarray(noise.integers(0, 255, (44, 40), dtype=np.uint8)).save(folder / "data" / name)
                part = row.get("part", "train")
                writer.writerow([name, row["label"], row["source"], row["group"], part, "", "made here"])


def test_the_command_line_is_there_before_torch() -> None:
    code = "import sys, models.cli, models.commands.cards; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_exported_models_are_listed_described_and_intact(shop: Path, runner: CliRunner) -> None:
    weights = ["--weights", str(shop / "weights")]
    listed = json.loads(runner.invoke(app, ["list", *weights, "--json"]).output)
    assert [entry["name"] for entry in listed] == ["ct-resnet18-dynamic", "cxr-mobilenetv3-dynamic"]
    verified = runner.invoke(app, ["verify", *weights, "--json"])
    assert verified.exit_code == 0
    assert [entry["fault"] for entry in json.loads(verified.output)] == [None, None]
    described = runner.invoke(app, ["describe", "cxr-mobilenetv3-dynamic", *weights])
    assert "Research use only" in described.output
    assert described.output.strip() == _card_markdown(shop).strip()


def _card_markdown(shop: Path) -> str:
    return (shop / "weights" / "cxr-mobilenetv3-dynamic" / "0.2.0" / "MODEL_CARD.md").read_text()


def test_a_card_counts_what_was_used_and_what_was_not(shop: Path) -> None:
    card = next(c for c in installed(shop / "weights") if c.name == "cxr-mobilenetv3-dynamic")
    fitted = sum(sum(counts.values()) for counts in card.training.rows.values())
    assert fitted == 26
    assert card.training.validation_seen
    assert 0 < card.validation.rows == card.training.validation_rows < 26
    assert card.training.rows["nih-chestxray8"] == {"pneumonia_unspecified": 1}
    assert card.training.left_out == {"covid19 (far)": 2}
    assert card.external["far"].rows == 2


def test_a_loaded_film_model_answers_on_the_source_grid(shop: Path) -> None:
    card = next(c for c in installed(shop / "weights") if c.name == "cxr-mobilenetv3-dynamic")
    classifier = load(card, "cpu")
    assert isinstance(classifier, RadiographClassifier)
    prediction = classifier.classify(np.random.default_rng(1).random((180, 140), dtype=np.float32))
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.saliency.shape == (180, 140)
    assert prediction.explained_label != "normal"
    assert len(prediction.evidence_by_scale) == 5
    with pytest.raises(UnusableInput):
        classifier.classify(np.full((8, 8), 3.0, dtype=np.float32))


def test_a_loaded_slice_model_judges_a_study_by_its_top_tenth(shop: Path) -> None:
    card = next(c for c in installed(shop / "weights") if c.name == "ct-resnet18-dynamic")
    classifier = load(card, "cpu")
    assert isinstance(classifier, SliceClassifier)
    slices = np.random.default_rng(1).integers(-1000, 400, (11, 64, 48)).astype(np.int16)
    prediction = classifier.classify(slices, batch=4)
    covid = prediction.slice_probabilities[:, card.labels.index("covid19")]
    assert prediction.slice_probabilities.shape == (11, 3)
    assert list(prediction.key_slices) == list(np.argsort(-covid)[:2])
    assert prediction.probabilities["covid19"] == pytest.approx(float(np.sort(covid)[-2:].mean()), abs=1e-5)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.saliency.shape == (2, 64, 48)
    alone = classifier.classify(slices[3:4])
    assert alone.slice_probabilities[0] == pytest.approx(prediction.slice_probabilities[3], abs=1e-4)
    with pytest.raises(UnusableInput):
        classifier.classify(slices[:0])


def test_evaluation_writes_a_row_of_predictions_an_image(
    shop: Path, runner: CliRunner, tmp_path: Path
) -> None:
    out = tmp_path / "predictions.csv"
    arguments = ["cxr-mobilenetv3-dynamic", "--weights", str(shop / "weights"), "--data", str(shop / "data")]
    told = runner.invoke(
        app, ["evaluate", *arguments, "--rows", "external", "--predictions", str(out), "--json"]
    )
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["parts"]["external"]["rows"] == 2
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["part"] for row in rows] == ["external", "external"]
    assert sum(float(v) for k, v in rows[0].items() if k.startswith("p_")) == pytest.approx(1, abs=1e-4)


def test_held_out_figures_are_those_of_the_card(shop: Path, runner: CliRunner) -> None:
    arguments = [
        "ct-resnet18-dynamic",
        "--weights",
        str(shop / "weights"),
        "--data",
        str(shop / "data"),
        "--json",
    ]
    told = json.loads(runner.invoke(app, ["evaluate", *arguments]).output)
    card = next(c for c in installed(shop / "weights") if c.name == "ct-resnet18-dynamic")
    assert told["parts"]["train"]["confusion"] == card.validation.model_dump(mode="json")["confusion"]


def test_a_training_that_was_cut_off_is_not_exported(shop: Path, runner: CliRunner, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(shop / "runs" / "ct-resnet18-dynamic", runs / "ct-resnet18-dynamic")
    path = next(runs.glob("ct-resnet18-dynamic/*/refit.ckpt"))
    state = torch.load(path, weights_only=True)
    torch.save({**state, "finished": False}, path)
    where = ["--data", str(shop / "data"), "--runs", str(runs), "--weights", str(tmp_path / "weights")]
    told = runner.invoke(app, ["export", "ct-resnet18-dynamic", *where])
    assert told.exit_code == 1
    assert "not finished" in told.output
    assert not (tmp_path / "weights").exists()


def test_weights_with_one_changed_byte_are_not_loaded(shop: Path, runner: CliRunner, tmp_path: Path) -> None:
    card = next(c for c in installed(shop / "weights") if c.name == "cxr-mobilenetv3-dynamic")
    folder = tmp_path / card.name / card.version
    folder.mkdir(parents=True)
    content = bytearray(card.weights.read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    (folder / "manifest.json").write_bytes((card.folder / "manifest.json").read_bytes())
    broken = installed(tmp_path)[0]
    with pytest.raises(WeightsCorrupted, match=card.weights_sha256):
        load(broken, "cpu")
    assert runner.invoke(app, ["verify", "--weights", str(tmp_path)]).exit_code == 1
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsMissing):
        verify(broken)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a"]}, "labels"),
        ({"temperature": 0}, "temperature"),
        ({"surprise": 1}, "surprise"),
        ({"operating_points": {}}, "operating point"),
    ],
)
def test_a_manifest_that_does_not_say_what_it_must_is_refused(
    shop: Path, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    card = installed(shop / "weights")[0]
    content = json.loads((card.folder / "manifest.json").read_text()) | change
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ManifestInvalid, match=reason):
        read_card(path)


def test_an_unknown_model_is_one_line_and_exit_code_one(shop: Path, runner: CliRunner) -> None:
    told = runner.invoke(app, ["describe", "nothing", "--weights", str(shop / "weights")])
    assert told.exit_code == 1
    assert told.output.startswith("error: no model called 'nothing'")


def test_missing_data_is_one_line_and_exit_code_one(runner: CliRunner, tmp_path: Path) -> None:
    told = runner.invoke(
        app, ["train", "ct-resnet18-dynamic", "--data", str(tmp_path), "--runs", str(tmp_path)]
    )
    assert told.exit_code == 1
    assert "ct.csv" in told.output


@pytest.mark.parametrize(
    ("name", "picture"), [("cxr-mobilenetv3-dynamic", "cxr0.png"), ("ct-resnet18-dynamic", "ct.0.png")]
)
def test_a_film_or_a_windowed_slice_is_explained(
    shop: Path, runner: CliRunner, tmp_path: Path, name: str, picture: str
) -> None:
    places = ["--weights", str(shop / "weights"), "--out", str(tmp_path), "--json"]
    told = runner.invoke(app, ["explain", name, str(shop / "data" / picture), *places])
    assert told.exit_code == 0, told.output
    found = json.loads(told.output)
    assert set(found["pictures"][0]) >= {"p_covid19", "p_normal", "evidence_5"}
    with Image.open(found["sheets"][0]) as sheet:
        assert sheet.width > 7 * 200
