"""Reports as text: everything they say, in an order that shows what belongs to what."""

import re

import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset

from dicom_node.results.tree import render_tree
from tests.synthetic.results_inputs import ct_outputs, ct_series, digital_radiograph, film_outputs


def test_a_report_reads_as_a_tree() -> None:
    report, _ = film_outputs(digital_radiograph())
    lines = render_tree(report)
    assert lines[0] == "Imaging Measurement Report"
    assert "│  │  ├─ Finding: Pulmonary tuberculosis" in lines
    assert "│  │  ├─ Certainty of Finding: 74.02 %" in lines
    assert "│  │  ├─ Presence of property: Present" in lines
    assert "   ├─ Impression: Pulmonary tuberculosis" in lines
    assert lines[-1].startswith("   └─ Comment: RESEARCH USE ONLY")


def test_each_content_item_is_one_line() -> None:
    def count(item: Dataset) -> int:
        return 1 + sum(count(child) for child in item.get("ContentSequence", []))

    report, _ = ct_outputs(ct_series())
    assert len(render_tree(report)) == count(report)


def test_references_tell_class_uid_and_frames() -> None:
    report, heatmap = ct_outputs(ct_series())
    line = next(line for line in render_tree(report) if "Class activation" in line)
    assert line.endswith(f"{heatmap.SOPInstanceUID} frame 1, 2, 3")


def test_a_report_of_another_maker_reads_too() -> None:
    foreign = pydicom.dcmread(pydicom.data.get_testdata_file("test-SR.dcm"))
    lines = render_tree(foreign)
    assert "├─ Diameter: 3 cm" in " ".join(lines)
    assert any(line.endswith("CT Image Storage 1.2.3.4.5.0 frame 5, 2") for line in lines)
    assert all(re.search(r"\w", line) and "\n" not in line for line in lines)


def test_an_image_is_no_report() -> None:
    with pytest.raises(ValueError, match="no content tree"):
        render_tree(digital_radiograph())
