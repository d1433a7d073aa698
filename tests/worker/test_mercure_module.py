"""mercure's contract: a folder with a task in, results and result.json out, and an exit code."""

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from typer.testing import CliRunner

from tests.journeys.films import PATIENT_NAME, real_film
from tests.synthetic import studies
from worker.mercure_module import NOTHING_TO_READ, WRONG_TASK, app


def task_with(folder: Path, *datasets: Dataset, settings: object = None) -> Path:
    """A folder as mercure lays it before it starts a module."""
    folder.mkdir()
    for dataset in datasets:
        name = f"{dataset.SeriesInstanceUID}#{dataset.SOPInstanceUID}"
        studies.write(dataset, folder / f"{name}.dcm")
        (folder / f"{name}.tags").write_text("{}")
    task = {"id": "1", "process": {"module_name": "dicom-node", "settings": settings or {}}}
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def run(incoming: Path, outgoing: Path) -> int:
    return CliRunner().invoke(app, [str(incoming), str(outgoing)]).exit_code


def result(outgoing: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((outgoing / "result.json").read_text())
    return found


def test_a_chest_film_gives_report_heat_map_and_result(tmp_path: Path) -> None:
    film = real_film()
    incoming, outgoing = task_with(tmp_path / "in", film), tmp_path / "out"

    assert run(incoming, outgoing) == 0

    written = {path.name: pydicom.dcmread(path) for path in outgoing.glob("*.dcm")}
    assert sorted(one.Modality for one in written.values()) == ["OT", "SR"]
    assert all(one.StudyInstanceUID == film.StudyInstanceUID for one in written.values())
    assert set(written) == {f"{one.SeriesInstanceUID}#{one.SOPInstanceUID}.dcm" for one in written.values()}
    (analysis,) = result(outgoing)["analyses"]
    assert analysis["state"] == "COMPLETED"
    assert sorted(analysis["outputs"]) == sorted(str(one.SOPInstanceUID) for one in written.values())
    assert PATIENT_NAME not in (outgoing / "result.json").read_text()


def test_the_same_task_again_gives_the_same_instances(tmp_path: Path) -> None:
    incoming = task_with(tmp_path / "in", real_film())
    names = []
    for number in range(2):
        assert run(incoming, tmp_path / f"out{number}") == 0
        names.append(sorted(path.name for path in (tmp_path / f"out{number}").iterdir()))
    assert names[0] == names[1]


def test_what_no_model_can_read_is_said_and_is_no_error(tmp_path: Path) -> None:
    assert run(task_with(tmp_path / "in", studies.ankle_film()), tmp_path / "out") == 0
    said = result(tmp_path / "out")
    assert [one["state"] for one in said["analyses"]] == ["NOT_APPLICABLE"]
    assert said["analyses"][0]["reason"] in said["__mercure_notification"]["text"]
    assert said["__mercure_notification"]["requested"] is False
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.json"]


def test_images_that_no_model_reads_are_said_so(tmp_path: Path) -> None:
    assert run(task_with(tmp_path / "in", studies.secondary_capture()), tmp_path / "out") == 0
    said = result(tmp_path / "out")
    assert said["analyses"] == []
    assert "no model" in said["__mercure_notification"]["text"]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    assert run(task_with(tmp_path / "in"), tmp_path / "out") == NOTHING_TO_READ
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_dicom_is_an_error(tmp_path: Path) -> None:
    incoming = task_with(tmp_path / "in")
    (incoming / "1.2#3.4.dcm").write_bytes(b"no DICOM at all")
    assert run(incoming, tmp_path / "out") == NOTHING_TO_READ


@pytest.mark.parametrize("settings", [{"models": "cxr"}, {"models": ["no-such-model"]}])
def test_wrong_settings_of_the_task_are_an_error(tmp_path: Path, settings: dict[str, object]) -> None:
    incoming = task_with(tmp_path / "in", studies.chest_film(), settings=settings)
    assert run(incoming, tmp_path / "out") == WRONG_TASK


def test_a_task_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    incoming = task_with(tmp_path / "in", studies.chest_film())
    (incoming / "task.json").write_text("{")
    assert run(incoming, tmp_path / "out") == WRONG_TASK
