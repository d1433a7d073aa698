"""From scores to Findings: what a probability means beside its operating point."""

from collections.abc import Mapping

from dicom_node.domain.finding import Condition, Finding, Presence
from models.contract import ModelCard


def findings_from(probabilities: Mapping[str, float], card: ModelCard) -> tuple[Finding, ...]:
    """Return one Finding a label, most probable first.

    PRESENT at or above the label's operating point. The most probable label below its operating point is
    UNDETERMINED: the model leans there and has no right to say more. Every other label is ABSENT.
    ``normal`` is PRESENT only when it is the most probable label, since its threshold alone must not
    call a study normal while another condition scores higher.

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
    reaches = probability >= threshold and (is_top or label != card.normal_label)
    below = Presence.UNDETERMINED if is_top else Presence.ABSENT
    presence = Presence.PRESENT if reaches else below
    return Finding(
        condition=Condition(label), probability=probability, operating_point=threshold, presence=presence
    )
