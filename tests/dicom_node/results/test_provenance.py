"""Identity of the outputs: the same facts give the same UIDs, other facts give others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.dataset import Dataset

from dicom_node.domain.finding import Condition, OutputRole
from dicom_node.domain.identifiers import is_uid
from dicom_node.results.provenance import MANUFACTURER, ResultContext, is_own_output
from tests.synthetic.results_inputs import (
    FILM_FINDINGS,
    ct_context,
    ct_outputs,
    ct_series,
    digital_radiograph,
    film_context,
    film_outputs,
)


def context() -> ResultContext:
    return film_context(digital_radiograph())


def instance_uids(of: ResultContext) -> set[str]:
    return {of.sop_instance_uid(role) for role in OutputRole}


def test_the_same_analysis_has_the_same_uids() -> None:
    assert instance_uids(context()) == instance_uids(context())
    assert all(is_uid(uid) and uid.startswith("2.25.") for uid in instance_uids(context()))


def test_another_revision_weights_version_or_model_is_another_instance() -> None:
    first = context()
    others = [
        replace(first, revision=2),
        replace(first, model=replace(first.model, weights_sha256="00" * 32)),
        replace(first, model=replace(first.model, version="0.2.0")),
        replace(first, model=replace(first.model, name="another")),
    ]
    uids = [instance_uids(each) for each in (first, *others)]
    assert len(set.union(*uids)) == 2 * len(uids)


def test_new_weights_are_a_new_device_in_the_same_series() -> None:
    first = context()
    retrained = replace(first, model=replace(first.model, weights_sha256="00" * 32))
    assert retrained.device_uid != first.device_uid
    assert retrained.series_instance_uid(OutputRole.REPORT) == first.series_instance_uid(OutputRole.REPORT)


def test_reports_and_heat_maps_stand_in_series_of_their_own() -> None:
    assert len({context().series_instance_uid(role) for role in OutputRole}) == len(OutputRole)


def test_a_finding_is_tracked_through_versions_of_its_model() -> None:
    first = context()
    newer = replace(first, model=replace(first.model, version="9.0", weights_sha256="00" * 32))
    assert newer.tracking_uid(Condition.COVID19) == first.tracking_uid(Condition.COVID19)
    assert newer.tracking_uid(Condition.COVID19) != first.tracking_uid(Condition.NORMAL)


def test_sources_have_an_order_of_their_own() -> None:
    series = ct_series(12)
    shuffled = ct_context([*series[7:], *series[:7]])
    assert [image.InstanceNumber for image in shuffled.ordered_sources] == list(range(1, 13))


def test_the_time_is_told_in_the_offset_of_the_source() -> None:
    film = digital_radiograph()
    film.TimezoneOffsetFromUTC = "-0330"
    at = film_context(film).local_created_at
    assert at == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    assert at.utcoffset() == -timedelta(hours=3, minutes=30)


@pytest.mark.parametrize("offset", [None, "", "local", "+9", "+9999"])
def test_without_a_usable_offset_the_time_is_that_of_this_machine(offset: str | None) -> None:
    film = digital_radiograph()
    del film.TimezoneOffsetFromUTC
    if offset is not None:
        film.add_new("TimezoneOffsetFromUTC", "SH", offset)
    at = film_context(film).local_created_at
    assert at.utcoffset() == at.astimezone().utcoffset()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"findings": ()}, "at least one finding"),
        ({"sources": ()}, "one source"),
        ({"study_instance_uid": "1.2.3"}, "study that the result is about"),
        ({"findings": (replace(FILM_FINDINGS[0], probability=float("nan")),)}, "probability"),
        ({"created_at": datetime(2026, 11, 22)}, "time zone"),
        ({"explained_condition": Condition.NON_COVID}, "must explain one of the findings"),
        ({"content_qualification": "PERFECT"}, "no Content Qualification"),
    ],
)
def test_what_cannot_be_said_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(context(), **change)


def test_the_node_knows_its_own_outputs() -> None:
    outputs = [*film_outputs(digital_radiograph()), *ct_outputs(ct_series())]
    assert all(is_own_output(output) for output in outputs)


def test_an_output_whose_equipment_a_pacs_coerced_is_still_known() -> None:
    report, _ = film_outputs(digital_radiograph())
    report.Manufacturer = "PACS"
    assert is_own_output(report)


@pytest.mark.parametrize("manufacturer", [None, "", "Philips", f"not {MANUFACTURER}"])
def test_images_of_others_are_not_taken_for_own_outputs(manufacturer: str | None) -> None:
    header = Dataset()
    if manufacturer is not None:
        header.Manufacturer = manufacturer
    assert not is_own_output(header)
