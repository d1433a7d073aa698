"""Bytes of the outputs: the same Analysis, the same bytes, readable again."""

from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.dimse import IMPLEMENTATION_CLASS_UID
from dicom_node.results.instance import ascii_text, encode
from dicom_node.results.structured_report import Illustration, build_report
from tests.synthetic.results_inputs import (
    computed_radiograph,
    ct_context,
    ct_outputs,
    ct_series,
    digital_radiograph,
    film_outputs,
)


def outputs() -> list[Dataset]:
    return [
        *film_outputs(digital_radiograph()),
        *film_outputs(computed_radiograph()),
        *ct_outputs(ct_series()),
    ]


def test_two_independent_builds_are_byte_identical() -> None:
    assert [encode(output) for output in outputs()] == [encode(output) for output in outputs()]


def test_the_order_in_which_sources_came_does_not_matter() -> None:
    series = ct_series()
    report, heatmap = ct_outputs(series)
    shuffled = ct_context([*series[3:], *series[:3]])
    shown = [
        Illustration(source=series[place], heatmap_frame=frame) for frame, place in ((1, 3), (2, 4), (3, 2))
    ]
    assert encode(build_report(shuffled, heatmap=heatmap, illustrations=shown)) == encode(report)


def test_encoding_twice_gives_the_same_bytes() -> None:
    report, _ = film_outputs(digital_radiograph())
    assert encode(report) == encode(report)


@pytest.mark.parametrize("number", range(6))
def test_what_is_encoded_reads_back_the_same(number: int) -> None:
    output = outputs()[number]
    again = pydicom.dcmread(BytesIO(encode(output)))
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert again.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert again.file_meta.MediaStorageSOPInstanceUID == output.SOPInstanceUID
    assert again.to_json() == pydicom.dcmread(BytesIO(encode(again))).to_json()


def test_every_time_is_that_of_the_analysis_and_none_the_clock_s() -> None:
    for built in film_outputs(digital_radiograph()):
        output = pydicom.dcmread(BytesIO(encode(built)))
        assert output.TimezoneOffsetFromUTC == "+0100"
        for what in ("InstanceCreation", "Content", "Series"):
            assert (output[f"{what}Date"].value, output[f"{what}Time"].value) == ("20261122", "103000")
        equipment = output.ContributingEquipmentSequence[0]
        assert equipment.ContributionDateTime == "20261122103000+0100"


def test_text_that_no_character_set_is_sure_to_have_is_written_in_ascii() -> None:
    assert ascii_text("score ≥ 0.5") == r"score \u2265 0.5"
