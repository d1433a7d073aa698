"""What is proposed to an Application Entity for parcels, and the shape that its answer leaves them."""

from collections.abc import Iterable

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from dicom_node.delivery.shapes import REPORT_CLASSES, REPORT_KINDS, TRANSFER_SYNTAXES, Shape
from dicom_node.dimse import MOST_PRESENTATION_CONTEXTS, SOP_CLASSES_MADE, EncodedInstance
from dicom_node.errors import DeliveryRefused
from dicom_node.routing.document import DicomDestination

Kinds = frozenset[tuple[str, str]]
"""Pairs of SOP Class and Transfer Syntax; each is proposed in a presentation context of its own."""

_EXPLICIT, _IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
_MULTI_FRAME, _SINGLE = (
    str(MultiFrameTrueColorSecondaryCaptureImageStorage),
    str(SecondaryCaptureImageStorage),
)


def proposed_kinds(profile: DicomDestination, instances: Iterable[EncodedInstance]) -> list[tuple[str, str]]:
    """Return what to propose so that every Instance has all its ways out, most wanted first.

    With any result come the kinds of all results: how the report names the heat map must not depend on
    which of them is still to be sent.
    """
    found: dict[tuple[str, str], None] = {}
    for one in instances:
        if one.sop_class_uid in SOP_CLASSES_MADE:
            found.update(dict.fromkeys(result_kinds(profile)))
        found.update(dict.fromkeys((one.sop_class_uid, syntax) for syntax in _syntaxes_as_stored(one)))
    return list(found)[:MOST_PRESENTATION_CONTEXTS]


def result_kinds(profile: DicomDestination) -> list[tuple[str, str]]:
    """Return every kind that results may go out as to this Destination."""
    reports = [REPORT_CLASSES[REPORT_KINDS[form]] for form in profile.report_forms]
    images = [TRANSFER_SYNTAXES[word] for word in profile.compress]
    return [
        *((report, syntax) for report in reports for syntax in (_EXPLICIT, _IMPLICIT)),
        *((image, syntax) for image in (_MULTI_FRAME, _SINGLE) for syntax in (*images, _EXPLICIT, _IMPLICIT)),
    ]


def choose_shape(instance: EncodedInstance, profile: DicomDestination, accepted: Kinds) -> Shape:
    """Return the most wanted shape that the peer takes.

    Raises
    ------
    DeliveryRefused
        It takes none.
    """
    for shape, sop_class, syntaxes in _ways_out(instance, profile, accepted):
        for syntax in syntaxes:
            if (sop_class, syntax) in accepted:
                return _in_syntax(shape, instance, syntax)
    raise DeliveryRefused(
        f"the peer accepted no presentation context for SOP Class {instance.sop_class_uid} "
        f"in Transfer Syntax {instance.transfer_syntax_uid}, nor in another form of it"
    )


def splits_heatmaps(accepted: Kinds) -> bool:
    """Tell whether the peer takes heat maps of several frames as single images only."""
    taken = {sop_class for sop_class, _ in accepted}
    return _MULTI_FRAME not in taken and _SINGLE in taken


def _ways_out(
    instance: EncodedInstance, profile: DicomDestination, accepted: Kinds
) -> list[tuple[Shape, str, list[str]]]:
    """Shapes with their SOP Class and Transfer Syntaxes, most wanted first."""
    if instance.sop_class_uid == Comprehensive3DSRStorage:
        single = splits_heatmaps(accepted)
        kinds = [REPORT_KINDS[form] for form in profile.report_forms]
        return [
            (Shape(kind=kind, single_frames=single), REPORT_CLASSES[kind], _syntaxes_as_stored(instance))
            for kind in kinds
        ]
    if instance.sop_class_uid not in SOP_CLASSES_MADE:
        return [(Shape(), instance.sop_class_uid, _syntaxes_as_stored(instance))]
    compressed = [TRANSFER_SYNTAXES[word] for word in profile.compress]
    syntaxes = [*compressed, *_syntaxes_as_stored(instance)]
    ways = [(Shape(), instance.sop_class_uid, syntaxes)]
    if instance.sop_class_uid == _MULTI_FRAME:
        ways.append((Shape(single_frames=True), _SINGLE, syntaxes))
    return ways


def _syntaxes_as_stored(instance: EncodedInstance) -> list[str]:
    """As it came, then decoded; Implicit VR, which every peer must take (PS3.5 10.1), last."""
    return list(dict.fromkeys([instance.transfer_syntax_uid, _EXPLICIT, _IMPLICIT]))


def _in_syntax(shape: Shape, instance: EncodedInstance, syntax: str) -> Shape:
    if syntax == instance.transfer_syntax_uid:
        return shape
    return Shape(kind=shape.kind, single_frames=shape.single_frames, transfer_syntax_uid=syntax)
