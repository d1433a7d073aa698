"""Whatever dies, the study ends with exactly one result at the PACS."""

from pathlib import Path

import pytest
from pydicom.uid import UID

from dicom_node import scu
from dicom_node.domain.audit import Action
from tests.journeys.exchange import Sender, assert_exactly_one_result, results_at
from tests.journeys.films import real_film, saved
from tests.journeys.running_node import RunningNode, wait_until
from tests.peers.pacs import Pacs
from tests.synthetic import studies as synthetic

pytestmark = pytest.mark.journey


def test_the_worker_is_killed_while_it_reads(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    series = synthetic.ct_series(study=911, slices=60, size=512)
    study = UID(series[0].StudyInstanceUID)
    modality.send(*synthetic.write_all(series, tmp_path))
    wait_until(lambda: node.has_happened(study, Action.ANALYSIS_STARTED), 60, "the reading to start")

    killed = node.kill("analysis-0")

    node.wait_until_replaced("analysis-0", killed)
    node.wait_for_state(study, "DONE", within_s=120)
    assert node.actions(study).count("analysis.started") == 2
    assert node.actions(study).count("analysis.completed") == 1
    assert_exactly_one_result(pacs, study)


def test_the_dispatcher_is_killed_before_it_completes_the_study(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film = real_film()
    modality.send(saved(film, tmp_path))

    killed = node.kill("dispatcher")

    node.wait_until_replaced("dispatcher", killed)
    node.wait_for_state(film.StudyInstanceUID, "DONE")
    assert_exactly_one_result(pacs, film.StudyInstanceUID)


def test_the_broker_is_killed_while_a_study_is_on_its_way(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film = real_film()
    killed = node.kill("broker")

    modality.send(saved(film, tmp_path))

    node.wait_until_replaced("broker", killed)
    node.wait_for_state(film.StudyInstanceUID, "DONE", within_s=120)
    assert_exactly_one_result(pacs, film.StudyInstanceUID)


def test_the_scp_is_killed_between_two_instances(node: RunningNode, pacs: Pacs, tmp_path: Path) -> None:
    series = synthetic.ct_series(study=912, slices=6, size=256)
    paths = synthetic.write_all(series, tmp_path)
    study = series[0].StudyInstanceUID
    first = scu.send_instances(paths[:3], node.destination, calling_ae_title="MODALITY")
    assert [outcome.status for outcome in first] == [0x0000] * 3

    killed = node.kill("scp")
    node.wait_until_replaced("scp", killed)
    rest = scu.send_instances(paths, node.destination, calling_ae_title="MODALITY")

    assert [outcome.status for outcome in rest] == [0x0000] * 6
    item = node.wait_for_state(study, "DONE", "AMENDED", within_s=120)
    assert item["instances"] == 6
    wait_until(lambda: len(results_at(pacs, study)) >= 2, 60, "report and heat map")
    assert_exactly_one_result(pacs, study)


def test_the_pacs_is_down_for_a_while(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film = real_film()
    pacs.go_down()
    modality.send(saved(film, tmp_path))
    wait_until(
        lambda: node.actions(film.StudyInstanceUID).count("delivery.postponed") >= 2,
        90,
        "two deliveries to fail",
    )

    pacs.come_up()

    item = node.wait_for_state(film.StudyInstanceUID, "DONE")
    assert item["deliveries"][0]["state"] == "DELIVERED"
    assert item["deliveries"][0]["attempts"] >= 3
    assert_exactly_one_result(pacs, film.StudyInstanceUID)


def test_a_pacs_that_refuses_for_good_is_not_asked_again(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    film = real_film()
    pacs.answer(0x0122, "SOP Class not supported")
    try:
        modality.send(saved(film, tmp_path))
        item = node.wait_for_state(film.StudyInstanceUID, "DONE")
    finally:
        pacs.answer(0x0000)

    assert item["deliveries"][0]["state"] == "REFUSED"
    assert item["deliveries"][0]["attempts"] == 1
    assert results_at(pacs, film.StudyInstanceUID) == []
    assert "delivery.refused" in node.actions(film.StudyInstanceUID)


def test_two_associations_bring_one_study(
    node: RunningNode, pacs: Pacs, modality: Sender, tmp_path: Path
) -> None:
    series = synthetic.ct_series(study=913, slices=8, size=256)
    paths = synthetic.write_all(series, tmp_path)

    modality.send(*paths[:4])
    modality.send(*paths[4:])

    item = node.wait_for_state(series[0].StudyInstanceUID, "DONE", within_s=120)
    assert item["instances"] == 8
    assert item["late_instances"] == 0
    assert_exactly_one_result(pacs, series[0].StudyInstanceUID)
