"""`destinations`: what an administrator learns of a destination before anything goes there."""

import json
import shutil
from pathlib import Path

import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    ComprehensiveSRStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)
from typer.testing import CliRunner

from dicom_node.cli.commands import app
from tests.peers.orthanc import Orthanc, dicomweb_plugin
from tests.peers.pacs import Pacs

EXPLICIT = ("1.2.840.10008.1.2.1",)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "node"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "node.sqlite")
    monkeypatch.setenv("DICOM_NODE_DATA_HOME", str(folder))
    monkeypatch.setenv("DICOM_NODE_LOG_LEVEL", "ERROR")
    monkeypatch.chdir(tmp_path)
    return folder


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def activate(text: str) -> None:
    Path("routes.toml").write_text(text)
    assert run("routes", "activate", "routes.toml")[0] == 0


def probed(name: str) -> tuple[int, dict[str, object]]:
    code, told = run("destinations", "probe", name, "--json")
    return code, json.loads(told)


def test_they_are_listed_by_name_with_their_proof(tmp_path: Path) -> None:
    activate(
        '[destinations.pacs]\naddress = "PACS@10.0.0.1:104"\nproof = "find"\n'
        f'[destinations.share]\nkind = "folder"\npath = "{tmp_path}"\n'
        '[destinations.cloud]\nkind = "bucket"\nurl = "s3://results/ai"\n'
    )
    code, told = run("destinations", "list", "--json")
    assert code == 0
    listed = [(one["name"], one["kind"], one["address"], one["proof"]) for one in json.loads(told)]
    assert listed == [
        ("cloud", "bucket", "s3://results/ai", "none"),
        ("pacs", "dicom", "PACS@10.0.0.1:104", "find"),
        ("share", "folder", str(tmp_path), "none"),
    ]
    assert "3 destinations" in run("destinations", "list")[1]


def test_a_probe_tells_in_what_form_results_would_go_out() -> None:
    classes = (ComprehensiveSRStorage, BasicTextSRStorage, SecondaryCaptureImageStorage)
    with Pacs(sop_classes=classes, transfer_syntaxes=EXPLICIT) as pacs:
        code, told = probed(str(pacs.destination))
        assert pacs.received == []
    assert code == 0
    assert told["results_go_out_as"] == {
        "Comprehensive 3D SR Storage": "comprehensive, single-frames",
        "Secondary Capture Image Storage": "as stored",
        "Multi-frame True Color Secondary Capture Image Storage": "single-frames",
    }
    assert (told["storage_commitment"], told["find"], told["problems"]) == (True, True, [])
    assert told["originals_taken"] == {}


def test_a_probe_finds_what_deliveries_would_fail_at() -> None:
    classes = (str(DigitalXRayImageStorageForPresentation),)
    with Pacs(sop_classes=classes, transfer_syntaxes=EXPLICIT, offers_commitment=False) as pacs:
        activate(f'[destinations.pacs]\naddress = "{pacs.destination}"\nproof = "commitment"\n')
        code, told = probed("pacs")
    assert code == 1
    assert len(told["problems"]) == 4
    assert "proof 'commitment': storage commitment is not offered" in told["problems"]
    assert told["originals_taken"] == {
        "Digital X-Ray Image Storage - For Presentation": ["Explicit VR Little Endian"]
    }


def test_a_probe_tells_who_does_not_answer_and_who_is_unknown() -> None:
    code, told = probed("PACS@127.0.0.1:1")
    assert (code, told["problems"]) == (1, ["no connection to PACS@127.0.0.1:1"])
    assert probed("nobody")[0] == 1
    assert "would fail" in run("destinations", "probe", "nobody")[1]


def test_a_proof_that_the_kind_cannot_give_is_a_problem(tmp_path: Path) -> None:
    activate(f'[destinations.share]\nkind = "folder"\npath = "{tmp_path}"\nproof = "find"\n')
    code, told = probed("share")
    assert (code, told["writable"]) == (1, True)
    assert "'find'" in str(told["problems"])


def test_folders_and_buckets_are_tried_and_left_as_they_were(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    activate(
        f'[destinations.share]\nkind = "folder"\npath = "{share}"\n'
        f'[destinations.bucket]\nkind = "bucket"\nurl = "file://{share}/bucket"\n'
        f'[destinations.gone]\nkind = "folder"\npath = "{tmp_path}/gone"\n'
    )
    assert probed("share") == (0, {"destination": "share", "problems": [], "writable": True})
    assert probed("bucket")[0] == 0
    assert [path for path in share.rglob("*") if path.is_file()] == []
    assert probed("gone")[0] == 1


def test_orthanc_is_probed_over_both_of_its_ways() -> None:
    with Orthanc({"Plugins": [dicomweb_plugin()]}) as orthanc:
        activate(
            f'[destinations.pacs]\naddress = "{orthanc.destination}"\nproof = "commitment"\n'
            f'[destinations.web]\nkind = "stow"\nurl = "{orthanc.dicomweb}"\nproof = "qido"\n'
        )
        code, told = probed("pacs")
        assert (code, told["results_go_out_as"]) == (0, dict.fromkeys(told["results_go_out_as"], "as stored"))
        assert (told["storage_commitment"], told["find"]) == (True, True)
        code, told = probed("web")
        assert (code, told["qido_status"], told["problems"]) == (0, 200, [])
