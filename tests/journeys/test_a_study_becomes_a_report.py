"""The main job: a study goes in, a report comes out, and every step can be shown."""

from pathlib import Path

import pytest

from tests.journeys.exchange import Sender, assert_exactly_one_result, results_at
from tests.journeys.films import PATIENT_NAME, real_film, saved
from tests.journeys.running_node import RunningNode
from tests.peers.pacs import Pacs
from tests.synthetic import studies as synthetic

pytestmark = pytest.mark.journey


def test_a_chest_film_comes_back_as_report_and_heatmap(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film = real_film()

    outcomes = modality.send(saved(film, tmp_path))

    assert [outcome.status for outcome in outcomes] == [0x0000]
    item = node.wait_for_state(film.StudyInstanceUID, "DONE")
    assert item["analyses"][0]["state"] == "COMPLETED"
    assert len(item["analyses"][0]["findings"]) == 5
    assert [delivery["state"] for delivery in item["deliveries"]] == ["DELIVERED"]
    assert_exactly_one_result(pacs, film.StudyInstanceUID)
    report = next(
        one.dataset() for one in results_at(pacs, film.StudyInstanceUID) if "SR" in one.dataset().Modality
    )
    assert report.PatientID == film.PatientID
    assert report.VerificationFlag == "UNVERIFIED"
    assert node.actions(film.StudyInstanceUID) == [
        "instance.received",
        "study.completed",
        "study.routed",
        "analysis.requested",
        "job.queued",
        "analysis.started",
        "analysis.completed",
        "delivery.requested",
        "job.queued",
        "delivery.started",
        "delivery.delivered",
        "study.done",
    ]


@pytest.mark.parametrize(
    ("name", "because"), [("RG3_UNCR.dcm", "EXTREMITY"), ("693_UNCR.dcm", "HEAD")], ids=["ankle", "head CT"]
)
def test_what_no_model_can_read_is_not_analysed_and_says_why(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path, name: str, because: str
) -> None:
    image = real_film(name)

    modality.send(saved(image, tmp_path))

    item = node.wait_for_state(image.StudyInstanceUID, "DONE")
    assert item["analyses"][0]["state"] == "NOT_APPLICABLE"
    assert because in item["analyses"][0]["reason"]
    assert item["deliveries"] == []
    assert results_at(pacs, image.StudyInstanceUID) == []
    assert "analysis.not_applicable" in node.actions(image.StudyInstanceUID)


def test_a_chest_ct_comes_back_as_report_and_multiframe_heatmap(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    series = synthetic.ct_series(study=901, slices=12, size=256)

    modality.send(*synthetic.write_all(series, tmp_path))

    item = node.wait_for_state(series[0].StudyInstanceUID, "DONE", within_s=120)
    assert item["analyses"][0]["state"] == "COMPLETED", item["analyses"][0]["reason"]
    assert item["completion_reason"].startswith("every association")
    assert_exactly_one_result(pacs, series[0].StudyInstanceUID)


def test_a_study_sent_twice_is_analysed_once(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film = real_film()
    path = saved(film, tmp_path)

    modality.send(path)
    node.wait_for_state(film.StudyInstanceUID, "DONE")
    again = modality.send(path)

    assert [outcome.status for outcome in again] == [0x0000]
    actions = node.actions(film.StudyInstanceUID)
    assert actions.count("instance.duplicate") == 1
    assert actions.count("analysis.completed") == 1
    assert_exactly_one_result(pacs, film.StudyInstanceUID)


def test_a_late_instance_amends_the_study_and_makes_no_second_result(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film, late = real_film(), real_film()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
        setattr(late, keyword, getattr(film, keyword))
    modality.send(saved(film, tmp_path))
    node.wait_for_state(film.StudyInstanceUID, "DONE")

    outcomes = modality.send(saved(late, tmp_path))

    assert [outcome.status for outcome in outcomes] == [0x0000]
    item = node.wait_for_state(film.StudyInstanceUID, "AMENDED")
    assert item["late_instances"] == 1
    assert "study.amended" in node.actions(film.StudyInstanceUID)
    assert_exactly_one_result(pacs, film.StudyInstanceUID)


def test_no_patient_data_reach_the_logs(node: RunningNode, modality: Sender, tmp_path: Path) -> None:
    film = real_film()
    modality.send(saved(film, tmp_path))
    node.wait_for_state(film.StudyInstanceUID, "DONE")

    log = node.log_path.read_text()

    assert film.StudyInstanceUID in log or film.SOPInstanceUID in log
    for secret in (
        PATIENT_NAME,
        PATIENT_NAME.split("^", maxsplit=1)[0] + "-",
        film.PatientID,
        film.AccessionNumber,
    ):
        assert secret not in log
