"""One Analysis, told as a story: choose, decode, classify, interpret, write down."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydicom import Dataset

from dicom_node import triage
from dicom_node.database import studies
from dicom_node.database.analyses import ReadingResult
from dicom_node.domain.finding import Analysis, Condition, Finding, Output, OutputRole
from dicom_node.domain.study import StoredInstance
from dicom_node.errors import NotApplicable
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.imaging.headers import read_header
from dicom_node.imaging.volume import CtSlice
from dicom_node.resources import Resources
from dicom_node.results.provenance import ResultContext
from dicom_node.results.secondary_capture import build_radiograph_heatmap, build_volume_heatmap
from dicom_node.results.structured_report import Illustration, build_report, encode
from models import lung_field
from models.classifiers import RadiographClassifier, SliceClassifier
from worker.interpretation import findings_from
from worker.loaded_models import Classifier
from worker.series_selection import Selection, select_series

HEATMAP_FRAMES = 16
"""Most frames of a CT heat map: enough to look at, small enough for every archive."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker process has opened to read studies with."""

    resources: Resources
    decoders: DecoderPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read and what was said of it, before it becomes DICOM."""

    findings: tuple[Finding, ...]
    explained: Condition
    parameters: tuple[str, ...]


def inputs_of(resources: Resources, analysis: Analysis) -> tuple[StoredInstance, ...]:
    """Return the Instances that the Analysis is about: those that came before the study was complete."""
    with resources.database.read() as session:
        stored = studies.instances_of(session, analysis.study_instance_uid)
    return tuple(instance for instance in stored if not instance.late)


def analyze_study(
    tools: Tools, analysis: Analysis, classifier: Classifier, read: tuple[StoredInstance, ...]
) -> ReadingResult:
    """Have the model read the study and write its report and heat map into the archive.

    Raises
    ------
    NotApplicable
        The model cannot read the study; the message says why, for people.
    UnreadablePixels
        Pixel data that the model would have to see cannot be decoded.
    OutOfResources
        The archive or the database cannot be used now.
    """
    archive = tools.resources.archive
    paths = {instance.sop_instance_uid: archive.path(instance.path) for instance in read}
    selection = select_series([read_header(path) for path in paths.values()], classifier.card.kind)
    chosen = [paths[uid] for uid in selection.sop_instance_uids]
    match classifier:
        case RadiographClassifier():
            made, findings = _read_film(tools, analysis, classifier, selection, chosen)
        case SliceClassifier():
            made, findings = _read_volume(tools, analysis, classifier, selection, chosen)
    return ReadingResult(
        findings=findings,
        outputs=tuple(_keep(tools.resources, role, dataset) for role, dataset in made),
        input_digest=studies.input_digest(read),
        priority=triage.rank(findings),
    )


Made = list[tuple[OutputRole, Dataset]]


def _read_film(
    tools: Tools,
    analysis: Analysis,
    classifier: RadiographClassifier,
    selection: Selection,
    chosen: list[Path],
) -> tuple[Made, tuple[Finding, ...]]:
    (film,) = tools.decoders.decode_films(chosen[:1])
    prediction = classifier.classify(film.pixels)
    if not prediction.gate.passed:
        raise NotApplicable(f"the image does not look like a frontal chest film: {prediction.gate.reason}")
    findings = findings_from(prediction.probabilities, classifier.card)
    context = _context(
        tools,
        analysis,
        classifier,
        findings=findings,
        sources=selection.headers[:1],
        explained=Condition(prediction.explained_label),
    )
    heatmap = build_radiograph_heatmap(context, pixels=film.pixels, saliency=prediction.saliency)
    report = build_report(context, heatmap=heatmap, illustrations=())
    return [(OutputRole.HEATMAP, heatmap), (OutputRole.REPORT, report)], findings


def _read_volume(
    tools: Tools,
    analysis: Analysis,
    classifier: SliceClassifier,
    selection: Selection,
    chosen: list[Path],
) -> tuple[Made, tuple[Finding, ...]]:
    slices = [
        piece
        for piece in tools.decoders.decode_slices(chosen)
        if lung_field.shows_lung(piece.hounsfield, piece.spacing_mm)
    ]
    if not slices:
        raise NotApplicable("no axial slice shows lung on both sides")
    prediction = classifier.classify(np.stack([piece.hounsfield for piece in slices]))
    findings = findings_from(prediction.probabilities, classifier.card)
    context = _context(
        tools,
        analysis,
        classifier,
        findings=findings,
        sources=selection.headers,
        explained=Condition(prediction.explained_label),
    )
    shown = prediction.key_slices[:HEATMAP_FRAMES]
    by_uid = {header.SOPInstanceUID: header for header in selection.headers}
    key_headers = [by_uid[slices[index].sop_instance_uid] for index in shown]
    heatmap = build_volume_heatmap(
        context,
        pixels=_lung_window(slices, shown, classifier),
        saliency=prediction.saliency[: len(shown)],
        sources=key_headers,
    )
    illustrations = [Illustration(source=header) for header in key_headers]
    report = build_report(context, heatmap=heatmap, illustrations=illustrations)
    return [(OutputRole.HEATMAP, heatmap), (OutputRole.REPORT, report)], findings


def _lung_window(
    slices: Sequence[CtSlice], shown: Sequence[int], classifier: SliceClassifier
) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """Return the shown slices (k, rows, columns) in [0, 1] through the window that the model saw."""
    low, high = classifier.card.preprocessing.window_bounds
    stack = np.stack([slices[index].hounsfield for index in shown]).astype(np.float32)
    return np.clip((stack - low) / (high - low), 0.0, 1.0)


def _context(
    tools: Tools,
    analysis: Analysis,
    classifier: Classifier,
    *,
    findings: tuple[Finding, ...],
    sources: Sequence[Dataset],
    explained: Condition,
) -> ResultContext:
    card = classifier.card
    return ResultContext(
        analysis_id=analysis.analysis_id,
        study_instance_uid=analysis.study_instance_uid,
        model=analysis.model,
        revision=analysis.revision,
        findings=findings,
        priority=triage.rank(findings),
        created_at=analysis.created_at,
        sources=tuple(sources),
        content_qualification=tools.resources.settings.content_qualification,
        parameters=(
            f"weights SHA-256 {card.weights_sha256}",
            f"temperature {card.temperature:.4f}",
            *(
                f"operating point {label} {point.threshold:.4f}"
                for label, point in card.operating_points.items()
            ),
        ),
        software_version=version("dicom-node"),
        input_digest="",
        explained_condition=explained,
    )


def _keep(resources: Resources, role: OutputRole, dataset: Dataset) -> Output:
    content = encode(dataset)
    path, sha256 = resources.archive.put(dataset.SOPInstanceUID, content)
    return Output(
        role=role,
        sop_instance_uid=dataset.SOPInstanceUID,
        sop_class_uid=dataset.SOPClassUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        path=path,
        sha256=sha256,
        size=len(content),
    )
