"""From scores to Findings: what a probability means beside its operating point."""

from collections.abc import Mapping

from dicom_node.domain.finding import Condition, Finding, Presence
from models.contract import ModelCard


def findings_from(probabilities: Mapping[str, float], card: ModelCard) -> tuple[Finding, ...]:
    """Return one Finding a label, most probable first.

    Only the most probable label can be PRESENT, and only at or above its operating point; below it is
    UNDETERMINED: the model leans there and has no right to say more. Another condition at or above its own
    operating point is UNDETERMINED too, since it cannot be ruled out: so a report never says that a study is
    normal and a disease is present, and a reader is still sent there. Every other label is ABSENT.

    Parameters
    ----------
    probabilities
        Calibrated, by label of the card; each in 0..1.
    """
    ordered = sorted(card.labels, key=lambda label: -probabilities[label])
    return tuple(
        _finding(label, probabilities[label], card, is_top=position == 0)
        for position, label in enumerate(ordered)
    )


def _finding(label: str, probability: float, card: ModelCard, *, is_top: bool) -> Finding:
    threshold = card.operating_points[label].threshold
    reaches = probability >= threshold
    if is_top:
        presence = Presence.PRESENT if reaches else Presence.UNDETERMINED
    else:
        cannot_be_ruled_out = reaches and label != card.normal_label
        presence = Presence.UNDETERMINED if cannot_be_ruled_out else Presence.ABSENT
    return Finding(
        condition=Condition(label), probability=probability, operating_point=threshold, presence=presence
    )
