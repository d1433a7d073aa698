"""Our report and heat map before foreign judges, for films and CT, with plain and with odd headers."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset

from dicom_node.results.instance import encode
from dicom_node.results.secondary_capture import build_volume_heatmap
from dicom_node.results.structured_report import Illustration, build_report
from tests.conformance.judges import dciodvfy_errors, dsrdump, pixelmed_errors
from tests.synthetic.results_inputs import (
    computed_radiograph,
    ct_context,
    ct_outputs,
    ct_series,
    digital_radiograph,
    film_outputs,
    hot_spot,
    picture,
)

pytestmark = pytest.mark.conformance


def bare_film() -> tuple[Dataset, Dataset]:
    return film_outputs(computed_radiograph())


def real_film() -> tuple[Dataset, Dataset]:
    path = pydicom.data.get_testdata_file("RG1_UNCR.dcm")
    return film_outputs(pydicom.dcmread(path, stop_before_pixels=True))


def japanese_film() -> tuple[Dataset, Dataset]:
    film = digital_radiograph()
    film.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    film.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    return film_outputs(film)


def odd_film() -> tuple[Dataset, Dataset]:
    film = digital_radiograph()
    film.PatientOrientation, film.Laterality = ["", ""], "L"
    film.PatientIdentityRemoved = "YES"
    return film_outputs(film)


def ct_without_geometry() -> tuple[Dataset, Dataset]:
    series = ct_series()
    for image in series:
        del image.ImagePositionPatient, image.SliceThickness
    return ct_outputs(series)


def enhanced_ct() -> tuple[Dataset, Dataset]:
    """Outputs of an Enhanced CT of which one frame is shown."""
    path = pydicom.data.get_testdata_file("eCT_Supplemental.dcm")
    source = pydicom.dcmread(path, stop_before_pixels=True)
    context = ct_context([source])
    grid = (int(source.Rows), int(source.Columns))
    heatmap = build_volume_heatmap(
        context,
        pixels=picture(*grid)[np.newaxis],
        saliency=hot_spot(*grid)[np.newaxis],
        sources=[source],
        source_frames=[2],
    )
    shown = [Illustration(source=source, source_frame=2, heatmap_frame=1)]
    return build_report(context, heatmap=heatmap, illustrations=shown), heatmap


OUTPUTS: dict[str, Callable[[], tuple[Dataset, Dataset]]] = {
    "film": lambda: film_outputs(digital_radiograph()),
    "bare film": bare_film,
    "real film": real_film,
    "japanese film": japanese_film,
    "odd film": odd_film,
    "ct": lambda: ct_outputs(ct_series()),
    "ct without geometry": ct_without_geometry,
    "enhanced ct": enhanced_ct,
}
KINDS = tuple(OUTPUTS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, Path]]:
    """The report and the heat map of each kind of study, as files."""
    folder = tmp_path_factory.mktemp("results")
    written = {}
    for kind in KINDS:
        paths = tuple(folder / f"{kind.replace(' ', '_')}_{role}.dcm" for role in ("sr", "sc"))
        for path, output in zip(paths, OUTPUTS[kind](), strict=True):
            path.write_bytes(encode(output))
        written[kind] = (paths[0], paths[1])
    return written


@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(files: Mapping[str, tuple[Path, Path]], kind: str) -> None:
    assert [dciodvfy_errors(path) for path in files[kind]] == [[], []]


@pytest.mark.parametrize("kind", KINDS)
def test_dcmtk_reads_the_report_without_complaint(files: Mapping[str, tuple[Path, Path]], kind: str) -> None:
    assert dsrdump(files[kind][0]) == (0, [])


def test_pixelmed_finds_no_error_in_the_reports(files: Mapping[str, tuple[Path, Path]]) -> None:
    reports = [files[kind][0] for kind in ("real film", "ct")]
    assert pixelmed_errors(reports) == {path.name: [] for path in reports}


@pytest.mark.parametrize("kind", KINDS)
def test_highdicom_reads_the_report_back(files: Mapping[str, tuple[Path, Path]], kind: str) -> None:
    report = highdicom.sr.srread(files[kind][0])
    assert isinstance(report, highdicom.sr.Comprehensive3DSR)
    groups = report.content.get_image_measurement_groups()
    assert groups[0].finding_type.meaning in (
        "Pulmonary tuberculosis",
        "Pneumonia caused by SARS-CoV-2",
    )
    certainty = groups[0].get_measurements()[0]
    assert (certainty.name.meaning, certainty.unit.value) == ("Certainty of Finding", "%")


@pytest.mark.parametrize("kind", KINDS)
def test_the_heat_map_decodes_to_colours(files: Mapping[str, tuple[Path, Path]], kind: str) -> None:
    heatmap = pydicom.dcmread(BytesIO(files[kind][1].read_bytes()))
    assert heatmap.pixel_array.shape[-3:] == (heatmap.Rows, heatmap.Columns, 3)


def test_the_judge_of_objects_does_find_errors(tmp_path: Path) -> None:
    report, _ = OUTPUTS["film"]()
    del report.CompletionFlag
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(encode(report))
    assert any("CompletionFlag" in error for error in dciodvfy_errors(broken))
