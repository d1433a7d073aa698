"""The report in older forms, and a heat map as single images: valid, and saying the same."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, SecondaryCaptureImageStorage

from dicom_node.results.heatmap_frames import single_frames
from dicom_node.results.instance import encode
from dicom_node.results.report_forms import (
    heatmap_frames,
    refer_to_single_frames,
    to_basic_text,
    to_comprehensive,
)
from dicom_node.results.tree import render_tree
from tests.conformance.judges import dciodvfy_errors, dsrdump
from tests.synthetic import results_inputs

UID = "2.25.7"
FRAME_UIDS = ["2.25.11", "2.25.12", "2.25.13"]


def stored(dataset: Dataset) -> Dataset:
    """As it is read from the archive."""
    return pydicom.dcmread(BytesIO(encode(dataset)))


@pytest.fixture(scope="module")
def outputs() -> tuple[Dataset, Dataset]:
    return results_inputs.ct_outputs(results_inputs.ct_series())


def write(dataset: Dataset, path: Path) -> Path:
    path.write_bytes(encode(dataset))
    return path


def test_a_comprehensive_sr_has_the_same_tree(outputs: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    report = stored(outputs[0])
    to_comprehensive(report, UID)
    assert (report.SOPClassUID, report.SOPInstanceUID) == (ComprehensiveSRStorage, UID)
    assert render_tree(report) == render_tree(outputs[0])
    path = write(report, tmp_path / "comprehensive.dcm")
    assert dciodvfy_errors(path) == []
    assert dsrdump(path) == (0, [])


def test_a_basic_text_sr_says_every_finding_in_words(
    outputs: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    report = stored(outputs[0])
    to_basic_text(report, UID)
    assert report.SOPClassUID == BasicTextSRStorage
    told = "\n".join(render_tree(report))
    assert "Finding: Pneumonia caused by SARS-CoV-2; Finding Site: Lung; Algorithm Name: resnet18-ct" in told
    assert "Certainty of Finding: 86.71 %; Presence of property: Present" in told
    assert "Certainty of Finding: 13.29 %; Presence of property: Absent" in told
    assert "NOT FOR DIAGNOSTIC USE" in told
    path = write(report, tmp_path / "basic.dcm")
    assert dciodvfy_errors(path) == []
    assert dsrdump(path) == (0, [])


def test_a_report_names_the_single_frames_in_tree_and_evidence(
    outputs: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    report = stored(outputs[0])
    frames = heatmap_frames(report)
    assert frames == [(str(outputs[1].SOPInstanceUID), number) for number in (1, 2, 3)]
    refer_to_single_frames(report, dict(zip(frames, FRAME_UIDS, strict=True)), UID)
    assert str(outputs[1].SOPInstanceUID) not in report.to_json()
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = {item.ReferencedSOPInstanceUID for series in evidence for item in series.ReferencedSOPSequence}
    assert named >= set(FRAME_UIDS)
    path = write(report, tmp_path / "renamed.dcm")
    assert dciodvfy_errors(path) == []
    assert dsrdump(path) == (0, [])


def test_single_frames_hold_the_pixels_and_the_source_of_each_frame(
    outputs: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    heatmap = stored(outputs[1])
    singles = single_frames(heatmap, FRAME_UIDS)
    assert [str(one.SOPInstanceUID) for one in singles] == FRAME_UIDS
    for number, single in enumerate(singles):
        assert (single.pixel_array == heatmap.pixel_array[number]).all()
        assert single.SourceImageSequence[0] == heatmap.SourceImageSequence[number]
        assert single.SOPClassUID == SecondaryCaptureImageStorage
        assert dciodvfy_errors(write(single, tmp_path / f"{number}.dcm")) == []
