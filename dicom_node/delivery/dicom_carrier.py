"""The way to an Application Entity: C-STORE, C-FIND and storage commitment on one association."""

from collections.abc import Sequence

from dicom_node import scu
from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused
from dicom_node.routing.document import DicomDestination
from dicom_node.settings import Settings


class DicomCarrier:
    """Brings parcels with C-STORE (PS3.4 B)."""

    def __init__(self, name: str, profile: DicomDestination, settings: Settings) -> None:
        self._name, self._profile = name, profile
        self._calling = AETitle(profile.calling_ae_title or settings.ae_title)

    def send(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Send the Instances; return a receipt for each, in their order."""
        paths = [parcel.path for parcel in parcels]
        outcomes = scu.send_instances(paths, self._profile.address, calling_ae_title=self._calling)
        return [
            Receipt(
                sop_instance_uid=parcel.sop_instance_uid,
                accepted=outcome.accepted,
                temporary=outcome.temporary,
                status=outcome.status,
                form="",
                comment=outcome.comment,
            )
            for parcel, outcome in zip(parcels, outcomes, strict=True)
        ]

    def find(self, parcels: Sequence[Parcel]) -> dict[str, bool]:
        """Return whether the Destination has each of them, by SOP Instance UID."""
        raise DeliveryRefused(f"{self._name}: C-FIND is not there yet")

    def request_commitment(self, parcels: Sequence[Parcel], transaction_uid: str) -> None:
        """Ask for storage commitment (PS3.4 J)."""
        raise DeliveryRefused(f"{self._name}: storage commitment is not there yet")

    def sent_as(self, parcel: Parcel) -> frozenset[str]:
        """Return the SOP Instance UIDs under which the Destination has it."""
        return frozenset({parcel.sop_instance_uid})

    def close(self) -> None:
        """Release what was opened; never raises."""
