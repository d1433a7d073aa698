"""What brings Instances to a Destination: one open way there, whatever protocol it speaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One Instance that is to go out; its bytes were checked against the digest of the archive."""

    path: Path
    sop_instance_uid: str
    sop_class_uid: str
    deidentify: bool
    form: str = ""
    """What went out before, as the receipt said; it is what ``find`` and commitment ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the Destination said of one Parcel."""

    sop_instance_uid: str
    accepted: bool
    temporary: bool
    """Not accepted now, but may be later."""
    status: int | None
    """Of the protocol (DIMSE, HTTP); None when there was no answer for this Instance."""
    form: str
    """What went out where it was not the stored bytes."""
    comment: str


class Carrier(Protocol):
    """An open way to one Destination.

    Every method raises :class:`~dicom_node.errors.DestinationUnreachable` when the way broke and nothing can
    be said, and :class:`~dicom_node.errors.DeliveryRefused` when the Destination does not offer such a thing.
    """

    def send(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Send the Instances; return a receipt for each, in their order."""
        ...

    def find(self, parcels: Sequence[Parcel]) -> dict[str, bool]:
        """Return whether the Destination has each of them, by SOP Instance UID."""
        ...

    def request_commitment(self, parcels: Sequence[Parcel], transaction_uid: str) -> None:
        """Ask for storage commitment (PS3.4 J); the report comes to the node's SCP, or on this way."""
        ...

    def sent_as(self, parcel: Parcel) -> frozenset[str]:
        """Return the SOP Instance UIDs under which the Destination has it, from its ``form``.

        A report in another SOP Class, a heat map as single frames and whatever is de-identified have UIDs of
        their own; a commitment report names those, and the parcel is kept when all of them are.
        """
        ...

    def close(self) -> None:
        """Release what was opened; never raises."""
        ...
