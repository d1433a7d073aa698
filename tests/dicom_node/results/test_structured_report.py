"""What the report says: findings as they were judged, evidence that is there, and no more than that."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset

from dicom_node.domain.finding import Condition, Finding, Presence
from dicom_node.results.codes import CONDITIONS
from dicom_node.results.provenance import ResultContext, SaliencyMethod
from dicom_node.results.secondary_capture import build_volume_heatmap
from dicom_node.results.structured_report import Illustration, build_report
from tests.synthetic.results_inputs import (
    CT_FINDINGS,
    FILM_FINDINGS,
    computed_radiograph,
    ct_context,
    ct_outputs,
    ct_series,
    digital_radiograph,
    film_context,
    film_outputs,
    hot_spot,
    picture,
)


def items(node: Dataset, name: str) -> Iterator[Dataset]:
    """Every content item of that concept name below the node."""
    for child in node.get("ContentSequence", []):
        if child.ConceptNameCodeSequence[0].CodeMeaning == name:
            yield child
        yield from items(child, name)


def coded(node: Dataset, name: str) -> list[str]:
    return [item.ConceptCodeSequence[0].CodeMeaning for item in items(node, name)]


def references(node: Dataset, name: str) -> list[str]:
    return [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items(node, name)]


def report_of(context: ResultContext) -> Dataset:
    shown = [Illustration(source=context.ordered_sources[0])]
    return build_report(context, heatmap=None, illustrations=shown)


def judged(*presences: Presence, condition: Condition = Condition.TUBERCULOSIS) -> tuple[Finding, ...]:
    rest = [each for each in Condition if each is not condition]
    return tuple(
        Finding(condition=which, probability=0.9 / place, operating_point=0.5, presence=presence)
        for place, (which, presence) in enumerate(zip([condition, *rest], presences, strict=False), start=1)
    )


def test_each_class_is_a_group_with_its_certainty_and_presence_best_first() -> None:
    report, _ = film_outputs(digital_radiograph())
    groups = list(items(report, "Measurement Group"))
    assert [coded(group, "Finding") for group in groups] == [
        ["Pulmonary tuberculosis"],
        ["Pneumonia caused by SARS-CoV-2"],
        ["Normal"],
    ]
    certainties = [
        float(next(items(group, "Certainty of Finding")).MeasuredValueSequence[0].NumericValue)
        for group in groups
    ]
    assert certainties == [74.02, 21.34, 3.1]
    assert coded(report, "Presence of property") == ["Present", "Presence Undetermined", "Absent"]


def test_every_condition_has_a_code() -> None:
    assert set(CONDITIONS) == set(Condition)
    film = film_context(digital_radiograph())
    report = report_of(replace(film, findings=judged(*[Presence.ABSENT] * len(Condition))))
    assert len(coded(report, "Finding")) == len(Condition)


def test_a_report_is_complete_unverified_and_preliminary() -> None:
    for report in (film_outputs(digital_radiograph())[0], ct_outputs(ct_series())[0]):
        assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
        assert (report.PreliminaryFlag, report.ContentQualification) == ("PRELIMINARY", "RESEARCH")
        comment = next(items(report, "Comment")).TextValue
        assert comment.startswith("RESEARCH USE ONLY - NOT FOR DIAGNOSTIC USE.")
        assert "unverified" in comment


def test_what_decided_a_finding_stands_beside_it() -> None:
    report, _ = film_outputs(digital_radiograph())
    group = next(items(report, "Measurement Group"))
    parameters = [item.TextValue for item in items(group, "Algorithm Parameters")]
    assert parameters == [
        "operating point=0.5",
        "calibration=temperature 1.3",
        "gate=chest frontal",
        f"weights sha256={'ab' * 32}",
        f"input sha256={'ef' * 32}",
    ]


def test_weights_that_the_parameters_name_are_named_once() -> None:
    film = film_context(digital_radiograph())
    report = report_of(replace(film, parameters=(f"weights SHA-256 {'ab' * 32}",)))
    group = next(items(report, "Measurement Group"))
    assert sum("ab" * 32 in item.TextValue for item in items(group, "Algorithm Parameters")) == 1


def test_the_film_is_source_and_illustration() -> None:
    film = digital_radiograph()
    report, heatmap = film_outputs(film)
    assert set(references(report, "Source of Measurement")) == {film.SOPInstanceUID}
    assert references(report, "Best illustration of finding") == [film.SOPInstanceUID]
    assert references(report, "Class activation") == [heatmap.SOPInstanceUID]
    assert references(report, "Source") == [film.SOPInstanceUID]


def test_key_slices_and_heat_map_frames_of_a_ct_are_named_best_first() -> None:
    series = ct_series()
    report, heatmap = ct_outputs(series)
    best = [series[place].SOPInstanceUID for place in (3, 4, 2)]
    assert references(report, "Best illustration of finding") == best
    assert references(report, "Source") == best
    overlay = next(items(report, "Class activation")).ReferencedSOPSequence[0]
    assert overlay.ReferencedSOPInstanceUID == heatmap.SOPInstanceUID
    assert list(overlay.ReferencedFrameNumber) == [1, 2, 3]


def test_every_image_that_was_read_is_evidence_and_so_is_the_heat_map() -> None:
    series = ct_series(12)
    report, heatmap = ct_outputs(series)
    evidence = {
        instance.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for one_series in study.ReferencedSeriesSequence
        for instance in one_series.ReferencedSOPSequence
    }
    assert evidence == {*(image.SOPInstanceUID for image in series), heatmap.SOPInstanceUID}


def test_frames_of_an_enhanced_ct_are_named() -> None:
    enhanced = pydicom.dcmread(
        pydicom.data.get_testdata_file("eCT_Supplemental.dcm"), stop_before_pixels=True
    )
    context = ct_context([enhanced])
    heatmap = build_volume_heatmap(
        context,
        pixels=picture(512, 512)[np.newaxis],
        saliency=hot_spot(512, 512)[np.newaxis],
        sources=[enhanced],
        source_frames=[2],
    )
    shown = [Illustration(source=enhanced, source_frame=2, heatmap_frame=1)]
    report = build_report(context, heatmap=heatmap, illustrations=shown)
    best = next(items(report, "Best illustration of finding")).ReferencedSOPSequence[0]
    assert best.ReferencedFrameNumber == 2


def test_the_heat_map_stands_with_the_condition_that_it_explains() -> None:
    context = replace(
        film_context(digital_radiograph()),
        explained_condition=Condition.COVID19,
        saliency_method=SaliencyMethod.GRADIENT_WEIGHTED,
    )
    _, heatmap = film_outputs(digital_radiograph())
    report = build_report(context, heatmap=heatmap, illustrations=[])
    groups = list(items(report, "Measurement Group"))
    named = [references(group, "Gradient-weighted class activation") for group in groups]
    assert named == [[], [heatmap.SOPInstanceUID], []]


@pytest.mark.parametrize(
    ("findings", "impression"),
    [
        (FILM_FINDINGS, "Pulmonary tuberculosis"),
        (CT_FINDINGS, "Pneumonia caused by SARS-CoV-2"),
        (judged(Presence.UNDETERMINED, Presence.ABSENT), "Undetermined"),
        (judged(Presence.ABSENT, Presence.ABSENT), "Undetermined"),
        (judged(Presence.UNDETERMINED, Presence.PRESENT), "Pneumonia caused by SARS-CoV-2"),
    ],
)
def test_a_favourite_that_missed_its_operating_point_is_no_impression(
    findings: tuple[Finding, ...], impression: str
) -> None:
    context = replace(film_context(digital_radiograph()), findings=findings)
    assert coded(report_of(context), "Impression") == [impression]


@pytest.mark.parametrize(
    ("priority", "word", "category"),
    [(0, "Emergency", 1), (2, "Urgent", 2), (4, "Urgent", 2), (5, "Routine", 3)],
)
def test_urgency_of_a_disease_is_told_as_priority_and_as_actionable(
    priority: int, word: str, category: int
) -> None:
    report = report_of(replace(film_context(digital_radiograph()), priority=priority))
    assert coded(report, "Priority") == [word]
    assert coded(report, "Actionable finding classification") == [
        f"ACR Category {category} Actionable Finding"
    ]


@pytest.mark.parametrize(
    "findings",
    [
        judged(Presence.PRESENT, condition=Condition.NORMAL),
        judged(Presence.PRESENT, condition=Condition.NON_COVID),
        judged(Presence.UNDETERMINED),
    ],
)
def test_without_a_disease_nothing_is_actionable(findings: tuple[Finding, ...]) -> None:
    report = report_of(replace(film_context(digital_radiograph()), findings=findings))
    assert coded(report, "Actionable finding classification") == []


def test_a_later_revision_names_the_report_that_it_follows() -> None:
    context = film_context(digital_radiograph())
    first = report_of(context)
    second = report_of(replace(context, revision=2, predecessors=(first,)))
    assert second.SOPInstanceUID != first.SOPInstanceUID
    assert second.SeriesInstanceUID == first.SeriesInstanceUID
    followed = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert followed.ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_an_image_that_tells_no_geometry_is_described_by_what_it_tells() -> None:
    bare, _ = film_outputs(computed_radiograph())
    assert coded(bare, "Modality") == ["Computed Radiography"]
    assert next(items(bare, "Pixel Data Rows")).MeasuredValueSequence[0].NumericValue == 240
    assert not list(items(bare, "Horizontal Pixel Spacing"))
    full, _ = film_outputs(digital_radiograph())
    assert list(items(full, "Horizontal Pixel Spacing"))


def test_an_orientation_of_empty_values_is_not_described() -> None:
    film = digital_radiograph()
    film.PatientOrientation = ["", ""]
    assert not list(items(film_outputs(film)[0], "Patient Orientation Row"))


def test_of_several_images_somebody_must_say_which_illustrates() -> None:
    with pytest.raises(ValueError, match="illustrates"):
        build_report(ct_context(ct_series()), heatmap=None, illustrations=[])
