"""One Analysis, told as a story: choose, decode, classify, interpret, write down."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from dicom_node import triage
from dicom_node.database import studies
from dicom_node.database.analyses import ReadingResult
from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.finding import Analysis, Condition, Finding, Output, OutputRole
from dicom_node.domain.study import StoredInstance
from dicom_node.errors import NotApplicable
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.imaging.volume import CtSlice, sorted_volume
from dicom_node.resources import Resources
from dicom_node.results.instance import encode
from dicom_node.results.provenance import ResultContext
from dicom_node.results.secondary_capture import (
    MOST_FRAMES,
    build_radiograph_heatmap,
    build_volume_heatmap,
)
from dicom_node.results.structured_report import Illustration, build_report
from models import lung_field
from models.catalog import LoadedClassifier
from models.classifiers import RadiographClassifier, SliceClassifier
from models.contract import ModelCard
from models.preprocessing_spec import Window
from worker.interpretation import findings_from
from worker.series_selection import Selection, select_series
from worker.stored_headers import read_header

_LEAST_SPACING_MM, _MOST_SPACING_MM = 0.05, 10.0
"""Of a CT of a person: micro-CT is finer, nothing is coarser."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker process has opened to read studies with."""

    resources: Resources
    decoders: DecoderPool


@dataclass(frozen=True, slots=True)
class Task:
    """One Analysis with the images chosen for it."""

    analysis: Analysis
    card: ModelCard
    selection: Selection
    paths: tuple[Path, ...]
    """Of the chosen Instances, in the order of the selection."""
    input_digest: str


Made = tuple[tuple[Finding, ...], dict[OutputRole, Dataset]]
"""Findings, and what is made of them: nothing for a model in shadow."""


def inputs_of(resources: Resources, analysis: Analysis) -> tuple[StoredInstance, ...]:
    """Return the Instances that the Analysis is about: those that came before the study was complete."""
    with resources.database.read() as session:
        stored = studies.instances_of(session, analysis.study_instance_uid)
    return tuple(instance for instance in stored if not instance.late)


def analyze_study(
    tools: Tools, analysis: Analysis, classifier: LoadedClassifier, read: tuple[StoredInstance, ...]
) -> ReadingResult:
    """Have the model read the study and write its report and heat map into the archive; a shadow writes none.

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
    paths = {str(instance.sop_instance_uid): archive.path(instance.path) for instance in read}
    selection = select_series([read_header(path) for path in paths.values()], classifier.card.kind)
    task = Task(
        analysis=analysis,
        card=classifier.card,
        selection=selection,
        paths=tuple(paths[str(header.SOPInstanceUID)] for header in selection.headers),
        input_digest=studies.input_digest(read),
    )
    match classifier:
        case RadiographClassifier():
            findings, made = _read_film(tools, task, classifier)
        case SliceClassifier():
            findings, made = _read_volume(tools, task, classifier)
    return ReadingResult(
        findings=findings,
        outputs=tuple(_keep(tools.resources, role, dataset) for role, dataset in made.items()),
        input_digest=task.input_digest,
        priority=triage.rank(findings),
    )


def _read_film(tools: Tools, task: Task, classifier: RadiographClassifier) -> Made:
    (film,) = tools.decoders.decode_films(task.paths[:1])
    prediction = classifier.classify(film.pixels)
    if not prediction.gate.passed:
        raise NotApplicable(f"the image does not look like a frontal chest film: {prediction.gate.reason}")
    findings = findings_from(prediction.probabilities, task.card)
    if task.analysis.mode is ModelMode.SHADOW:
        return findings, {}
    context = _context(
        tools, task, findings, sources=task.selection.headers[:1], explained=prediction.explained_label
    )
    heatmap = build_radiograph_heatmap(context, pixels=film.pixels, saliency=prediction.saliency)
    report = build_report(context, heatmap=heatmap, illustrations=())
    return findings, {OutputRole.HEATMAP: heatmap, OutputRole.REPORT: report}


def _read_volume(tools: Tools, task: Task, classifier: SliceClassifier) -> Made:
    slices = _slices_with_lung(tools.decoders, task.paths)
    prediction = classifier.classify(np.stack([piece.hounsfield for piece in slices]))
    if prediction.gate and not prediction.gate.passed:
        raise NotApplicable(f"the slices do not look like a chest CT: {prediction.gate.reason}")
    findings = findings_from(prediction.probabilities, task.card)
    if task.analysis.mode is ModelMode.SHADOW:
        return findings, {}
    context = _context(
        tools, task, findings, sources=task.selection.headers, explained=prediction.explained_label
    )
    key_slices = [slices[index] for index in prediction.key_slices[:MOST_FRAMES]]
    by_uid = {str(header.SOPInstanceUID): header for header in task.selection.headers}
    headers = [by_uid[piece.sop_instance_uid] for piece in key_slices]
    frames = [piece.frame_number for piece in key_slices] if "NumberOfFrames" in headers[0] else []
    heatmap = build_volume_heatmap(
        context,
        pixels=_through_window([piece.hounsfield for piece in key_slices], task.card.preprocessing.window),
        saliency=prediction.saliency[: len(key_slices)],
        sources=headers,
        source_frames=frames,
    )
    illustrations = [
        Illustration(source=header, source_frame=frames[number] if frames else None, heatmap_frame=number + 1)
        for number, header in enumerate(headers)
    ]
    report = build_report(context, heatmap=heatmap, illustrations=illustrations)
    return findings, {OutputRole.HEATMAP: heatmap, OutputRole.REPORT: report}


def _slices_with_lung(decoders: DecoderPool, paths: Sequence[Path]) -> list[CtSlice]:
    volume = sorted_volume(decoders.decode_slices(paths))
    if len(volume.slices) > 1 and volume.step_mm is None:
        raise NotApplicable("all slices of the series lie at one position")
    found = [
        piece
        for piece in volume.slices
        if lung_field.shows_lung(piece.hounsfield, _plausible(piece.spacing_mm))
    ]
    if not found:
        raise NotApplicable("no axial slice shows lung on both sides")
    return found


def _plausible(spacing_mm: tuple[float, float] | None) -> tuple[float, float]:
    if spacing_mm is None:
        raise NotApplicable("the pixel spacing is missing, so lung cannot be measured on the slices")
    if not all(_LEAST_SPACING_MM <= value <= _MOST_SPACING_MM for value in spacing_mm):
        raise NotApplicable("the pixel spacing is not one of a CT of a person")
    return spacing_mm


def _through_window(
    slices: Sequence[npt.NDArray[np.int16]], window: Window | None
) -> npt.NDArray[np.float32]:
    """Return (k, rows, columns) in [0, 1]: as the model saw them, or in a lung window where it had none."""
    seen = window or Window(centre=-600, width=1500)
    stack = np.stack(slices).astype(np.float32)
    shown: npt.NDArray[np.float32] = np.clip(
        (stack - seen.lowest) / (seen.highest - seen.lowest), 0.0, 1.0
    ).astype(np.float32)
    return shown


def _context(
    tools: Tools, task: Task, findings: tuple[Finding, ...], *, sources: Sequence[Dataset], explained: str
) -> ResultContext:
    card = task.card
    return ResultContext(
        analysis_id=task.analysis.analysis_id,
        study_instance_uid=task.analysis.study_instance_uid,
        model=task.analysis.model,
        revision=task.analysis.revision,
        findings=findings,
        priority=triage.rank(findings),
        created_at=task.analysis.created_at,
        sources=tuple(sources),
        content_qualification=tools.resources.settings.content_qualification,
        parameters=(
            f"softmax temperature={card.temperature:.4f}",
            *(f"note={note}" for note in task.selection.notes),
        ),
        software_version=version("dicom-node"),
        input_digest=task.input_digest,
        explained_condition=Condition(explained),
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
