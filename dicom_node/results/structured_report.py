"""The report: a Comprehensive 3D SR after TID 1500, as IHE AIR asks for qualitative findings."""

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicom_node.domain.finding import Condition, Finding, OutputRole, Presence, impression_of
from dicom_node.domain.worklist import ROUTINE, URGENT
from dicom_node.results import codes as own
from dicom_node.results.image_library import library_entry
from dicom_node.results.instance import ascii_text, common_arguments, finish
from dicom_node.results.provenance import MANUFACTURER, ResultContext
from dicom_node.results.source_headers import (
    complete_header,
    nameless,
    performed_procedure,
    procedure_reported,
    requested_procedures,
)

_CONTAINS = RelationshipTypeValues.CONTAINS
_NO_DISEASE = frozenset({Condition.NORMAL, Condition.NON_COVID})


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustration:
    """An image that shows what a finding rests on, and where the heat map shows it too."""

    source: Dataset
    """Header of the Instance, one of the context's sources."""
    source_frame: int | None = None
    """Frame of a multi-frame source, from 1."""
    heatmap_frame: int | None = None
    """Frame of the multi-frame heat map, from 1."""


def build_report(
    context: ResultContext, *, heatmap: Dataset | None, illustrations: Sequence[Illustration]
) -> Dataset:
    """Return the report of an Analysis, unverified and preliminary, ready for ``encode``.

    Parameters
    ----------
    context
        What was found by whom in which images.
    heatmap
        The finished heat map of the same Analysis, named as evidence; None where there is none.
    illustrations
        The images that show the explained finding, best first. One film illustrates itself and may be
        left out; of several sources at least one must be named.

    Raises
    ------
    ValueError
        Several sources but no illustration.

    Notes
    -----
    PS3.16 TID 1500, 1501, 1600, 4019; PS3.3 A.35.13. A radiologist's confirmation is a new document that
    names this one as its predecessor, never a change of this one.
    """
    sources = context.ordered_sources
    shown = tuple(illustrations) or tuple(Illustration(source=source) for source in sources[:1])
    if len(sources) > 1 and not illustrations:
        raise ValueError("which of the images illustrates the finding?")
    header = complete_header(sources[0])
    outputs = () if heatmap is None else (heatmap,)
    report: Dataset = Comprehensive3DSR(
        evidence=[nameless(header), *sources[1:], *outputs],
        content=_content(context, heatmap, shown, procedure_reported(header)),
        is_complete=True,
        is_final=False,
        is_verified=False,
        requested_procedures=requested_procedures(header) or None,
        performed_procedure_codes=[performed_procedure(header)],
        previous_versions=list(context.predecessors) or None,
        specific_character_set=None,
        **common_arguments(context, OutputRole.REPORT),
    )
    report.CompletionFlagDescription = "All classes evaluated"
    return finish(report, context, header)


def _content(
    context: ResultContext,
    heatmap: Dataset | None,
    shown: Sequence[Illustration],
    procedure: CodedConcept,
) -> Dataset:
    """The content tree, from its root (TID 1500)."""
    groups = []
    for finding in context.findings:
        group = _measurement_group(context, finding, shown)
        if finding is context.explained_finding:
            group[0].ContentSequence.extend(_evidence_shown(context, heatmap, shown))
        groups.append(group)
    report = MeasurementReport(
        observation_context=_observation_context(context),
        procedure_reported=procedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[library_entry(image) for image in _images(shown)],
    )
    root: Dataset = report[0]
    root.ContentSequence.append(_qualitative_evaluations(context))
    return root


def _images(shown: Sequence[Illustration]) -> list[Dataset]:
    """Each illustrating Instance once, best first."""
    return list({str(item.source.SOPInstanceUID): item.source for item in shown}.values())


def _observation_context(context: ResultContext) -> ObservationContext:
    """A device observed, and every build of the weights is another device (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=context.device_uid,
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=ascii_text(context.model.name),
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _measurement_group(
    context: ResultContext, finding: Finding, shown: Sequence[Illustration]
) -> MeasurementsAndQualitativeEvaluations:
    """One class: how certain, and whether that means present (TID 1501).

    The score has an image below it in any case (TID 320): a widely used viewer fails on one without.
    """
    film = context.sources[0] if len(context.sources) == 1 else None
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=context.tracking_uid(finding.condition),
            identifier=f"{ascii_text(context.model.name)}/{finding.condition.value}",
        ),
        finding_type=own.CONDITIONS[finding.condition],
        finding_sites=[FindingSite(anatomic_location=own.LUNG)],
        algorithm_id=_algorithm(context, finding),
        measurements=[
            Measurement(
                name=own.CERTAINTY,
                value=round(100 * finding.probability, 2),
                unit=own.PERCENT,
                referenced_images=[
                    SourceImageForMeasurement(
                        item.source.SOPClassUID, item.source.SOPInstanceUID, _frames([item.source_frame])
                    )
                    for item in shown
                ],
            )
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(own.PRESENCE_OF_PROPERTY, own.PRESENCES[finding.presence])
        ],
        source_images=[SourceImageForMeasurementGroup(film.SOPClassUID, film.SOPInstanceUID)]
        if film is not None and "NumberOfFrames" not in film
        else None,
    )


def _algorithm(context: ResultContext, finding: Finding) -> AlgorithmIdentification:
    """TID 4019, with all that decided this finding."""
    weights = context.model.weights_sha256
    named = any(weights in parameter for parameter in context.parameters)
    return AlgorithmIdentification(
        name=ascii_text(context.model.name),
        version=ascii_text(context.model.version),
        family=own.ARTIFICIAL_INTELLIGENCE,
        parameters=(
            f"operating point={finding.operating_point:g}",
            *map(ascii_text, context.parameters),
            *(() if named else (f"weights sha256={weights}",)),
            f"input sha256={context.input_digest}",
        ),
    )


def _evidence_shown(
    context: ResultContext, heatmap: Dataset | None, shown: Sequence[Illustration]
) -> list[ImageContentItem]:
    """The most telling images and the heat map's frames, best first (CID 7003, CID 217)."""
    items = [
        ImageContentItem(
            name=own.BEST_ILLUSTRATION,
            referenced_sop_class_uid=item.source.SOPClassUID,
            referenced_sop_instance_uid=item.source.SOPInstanceUID,
            referenced_frame_numbers=_frames([item.source_frame]),
            relationship_type=_CONTAINS,
        )
        for item in shown
    ]
    if heatmap is not None:
        items.append(
            ImageContentItem(
                name=own.SALIENCY_METHODS[context.saliency_method],
                referenced_sop_class_uid=heatmap.SOPClassUID,
                referenced_sop_instance_uid=heatmap.SOPInstanceUID,
                referenced_frame_numbers=_frames([item.heatmap_frame for item in shown]),
                relationship_type=_CONTAINS,
            )
        )
    return items


def _frames(numbers: Sequence[int | None]) -> list[int] | None:
    return [number for number in numbers if number is not None] or None


def _qualitative_evaluations(context: ResultContext) -> ContainerContentItem:
    """TID 1500 row 12, which highdicom does not write: what it comes to, and how urgent that is."""
    impression = _impression(context.findings)
    items = [CodeContentItem(own.IMPRESSION, impression, _CONTAINS)]
    category = _actionable_category(context)
    if category is not None:
        items.append(CodeContentItem(own.ACTIONABLE, own.ACR_CATEGORIES[category], _CONTAINS))
    items.append(CodeContentItem(own.PRIORITY, own.worklist_priority(context.priority), _CONTAINS))
    items.append(TextContentItem(own.COMMENT, _comment(context), _CONTAINS))
    container = ContainerContentItem(name=own.QUALITATIVE_EVALUATIONS, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def _impression(findings: Sequence[Finding]) -> CodedConcept:
    impression = impression_of(findings)
    return own.UNDETERMINED if impression is None else own.CONDITIONS[impression.condition]


def _actionable_category(context: ResultContext) -> int | None:
    """ACR category of the disease that is present, by how urgent the node ranked it; None without one."""
    if not any(
        finding.presence is Presence.PRESENT and finding.condition not in _NO_DISEASE
        for finding in context.findings
    ):
        return None
    if context.priority < URGENT:
        return 1
    return 2 if context.priority < ROUTINE else 3


def _comment(context: ResultContext) -> str:
    likeliest = context.findings[0]
    warning = (
        "RESEARCH USE ONLY - NOT FOR DIAGNOSTIC USE. "
        if context.content_qualification == "RESEARCH"
        else "NOT FOR DIAGNOSTIC USE WITHOUT A PHYSICIAN. "
    )
    return (
        f"{warning}Computer-generated, unverified: no physician has verified this result. "
        f"Most probable class: {likeliest.condition.title} ({100 * likeliest.probability:.1f} %, "
        f"{likeliest.presence.value}). Certainty values are classifier scores, not probabilities adjusted to "
        "the prevalence of a disease; 'Normal' and 'Not COVID-19' mean that none of the trained diseases was "
        "favoured and do not exclude other disease."
    )
