"""Tiny films and CT series with whole headers, and an Analysis of them: what the outputs are built from."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
)

from dicom_node.domain.finding import Condition, Finding, ModelIdentity, Presence
from dicom_node.domain.identifiers import AnalysisId, StudyInstanceUID, derived_uid
from dicom_node.results.provenance import ResultContext
from dicom_node.results.secondary_capture import build_radiograph_heatmap, build_volume_heatmap
from dicom_node.results.structured_report import Illustration, build_report

CREATED_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FILM_MODEL = ModelIdentity(name="mobilenetv3-cxr", version="0.1.0", weights_sha256="ab" * 32)
CT_MODEL = ModelIdentity(name="resnet18-ct", version="0.1.0", weights_sha256="cd" * 32)
FILM_FINDINGS = (
    Finding(
        condition=Condition.TUBERCULOSIS, probability=0.7402, operating_point=0.5, presence=Presence.PRESENT
    ),
    Finding(
        condition=Condition.COVID19, probability=0.2134, operating_point=0.4, presence=Presence.UNDETERMINED
    ),
    Finding(condition=Condition.NORMAL, probability=0.031, operating_point=0.5, presence=Presence.ABSENT),
)
CT_FINDINGS = (
    Finding(condition=Condition.COVID19, probability=0.8671, operating_point=0.5, presence=Presence.PRESENT),
    Finding(condition=Condition.NON_COVID, probability=0.1329, operating_point=0.5, presence=Presence.ABSENT),
)


def digital_radiograph(rows: int = 240, columns: int = 200) -> Dataset:
    """A DX film for presentation as a modality sends it, without pixel data."""
    film = _patient_and_study("dx")
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = derived_uid("test", "dx", "instance")
    film.Modality, film.PresentationIntentType = "DX", "FOR PRESENTATION"
    film.StudyDescription, film.InstanceNumber = "XR CHEST PA", 1
    film.ImageType = ["ORIGINAL", "PRIMARY", ""]
    film.BodyPartExamined, film.ImageLaterality, film.ViewPosition = "CHEST", "U", "PA"
    film.PatientOrientation = ["L", "F"]
    film.ImagerPixelSpacing = [0.7, 0.7]
    film.BurnedInAnnotation, film.LossyImageCompression = "NO", "00"
    film.PhotometricInterpretation = "MONOCHROME2"
    film.Rows, film.Columns = rows, columns
    return film


def computed_radiograph(rows: int = 240, columns: int = 200) -> Dataset:
    """A CR film that lacks what CR may lack, and more: MONOCHROME1, no sex, no date, no Study ID."""
    film = Dataset()
    film.SpecificCharacterSet = "ISO_IR 100"
    film.SOPClassUID = ComputedRadiographyImageStorage
    film.SOPInstanceUID = derived_uid("test", "cr", "instance")
    film.StudyInstanceUID = derived_uid("test", "cr", "study")
    film.SeriesInstanceUID = derived_uid("test", "cr", "series")
    film.PatientName, film.PatientID = "Bare^Header", "TEST-CR"
    film.Modality = "CR"
    film.PhotometricInterpretation = "MONOCHROME1"
    film.Rows, film.Columns = rows, columns
    return film


def ct_series(slices: int = 6, side: int = 128) -> list[Dataset]:
    """A CT series, head first, 5 mm between slices, without pixel data."""
    series = []
    for number in range(1, slices + 1):
        image = _patient_and_study("ct")
        image.SOPClassUID = CTImageStorage
        image.SOPInstanceUID = derived_uid("test", "ct", "instance", str(number))
        image.FrameOfReferenceUID = derived_uid("test", "ct", "frame of reference")
        image.Modality, image.StudyDescription, image.InstanceNumber = "CT", "CT CHEST", number
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.BodyPartExamined = "CHEST"
        image.ImagePositionPatient = [-160.0, -170.0, -300.0 + 5 * number]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.SliceThickness = [2.5, 2.5], 5
        image.PositionReferenceIndicator = ""
        image.PhotometricInterpretation = "MONOCHROME2"
        image.Rows = image.Columns = side
        series.append(image)
    return series


def procedure_code(value: str, meaning: str) -> Dataset:
    """A site's own procedure, as an item of Procedure Code Sequence (0008,1032)."""
    code = Code(value, "99SITE", meaning)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item


def film_context(film: Dataset, findings: Sequence[Finding] = FILM_FINDINGS) -> ResultContext:
    return _context([film], FILM_MODEL, findings)


def ct_context(series: Sequence[Dataset], findings: Sequence[Finding] = CT_FINDINGS) -> ResultContext:
    return _context(series, CT_MODEL, findings)


def picture(rows: int, columns: int) -> NDArray[np.float32]:
    """Two dark lungs in bright tissue, (rows, columns) in [0, 1]."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    lungs = np.zeros((rows, columns), dtype=bool)
    for centre in (0.3, 0.7):
        lungs |= ((x / columns - centre) / 0.18) ** 2 + ((y / rows - 0.5) / 0.34) ** 2 < 1
    return np.where(lungs, 0.25, 0.75).astype(np.float32)


def hot_spot(rows: int, columns: int) -> NDArray[np.float32]:
    """Saliency with one peak of 1 in the left lower zone, (rows, columns)."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    distance = (y / rows - 0.62) ** 2 + (x / columns - 0.7) ** 2
    saliency = np.exp(-distance / (2 * 0.1**2))
    return (saliency / saliency.max()).astype(np.float32)


def film_outputs(film: Dataset) -> tuple[Dataset, Dataset]:
    """Return the report and the heat map of a film."""
    context = film_context(film)
    rows, columns = int(film.Rows), int(film.Columns)
    heatmap = build_radiograph_heatmap(
        context, pixels=picture(rows, columns), saliency=hot_spot(rows, columns)
    )
    return build_report(context, heatmap=heatmap, illustrations=[]), heatmap


def ct_outputs(series: Sequence[Dataset]) -> tuple[Dataset, Dataset]:
    """Return the report and the heat map of a CT; the key slices are the middle three."""
    context = ct_context(series)
    middle = len(series) // 2
    shown = [series[number] for number in (middle, middle + 1, middle - 1)]
    rows, columns = int(shown[0].Rows), int(shown[0].Columns)
    heatmap = build_volume_heatmap(
        context,
        pixels=np.stack([picture(rows, columns)] * len(shown)),
        saliency=np.stack([hot_spot(rows, columns)] * len(shown)),
        sources=shown,
    )
    illustrations = [
        Illustration(source=source, heatmap_frame=frame) for frame, source in enumerate(shown, start=1)
    ]
    return build_report(context, heatmap=heatmap, illustrations=illustrations), heatmap


def _context(sources: Sequence[Dataset], model: ModelIdentity, findings: Sequence[Finding]) -> ResultContext:
    return ResultContext(
        analysis_id=AnalysisId(UUID("00000000-0000-4000-8000-000000000001")),
        study_instance_uid=StudyInstanceUID(sources[0].StudyInstanceUID),
        model=model,
        revision=1,
        findings=tuple(findings),
        priority=2,
        created_at=CREATED_AT,
        sources=tuple(sources),
        content_qualification="RESEARCH",
        parameters=("calibration=temperature 1.3", "gate=chest frontal"),
        software_version="0.1.0",
        input_digest="ef" * 32,
    )


def _patient_and_study(kind: str) -> Dataset:
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.StudyInstanceUID = derived_uid("test", kind, "study")
    header.SeriesInstanceUID = derived_uid("test", kind, "series")
    header.PatientName, header.PatientID = "Test^Müller", f"TEST-{kind.upper()}"
    header.PatientBirthDate, header.PatientSex = "19700101", "M"
    header.StudyDate = header.SeriesDate = header.ContentDate = "20261122"
    header.StudyTime = header.SeriesTime = header.ContentTime = "101500"
    header.TimezoneOffsetFromUTC = "+0100"
    header.AccessionNumber, header.StudyID, header.ReferringPhysicianName = f"ACC-{kind}", "1", ""
    header.Manufacturer, header.ManufacturerModelName = "Synthetic", "Phantom"
    header.SeriesNumber = 1
    return header
