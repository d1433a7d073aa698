"""Opening the way to a Destination, by its kind."""

from dicom_node.delivery.carriers import Carrier
from dicom_node.delivery.dicom_carrier import DicomCarrier
from dicom_node.errors import DeliveryRefused
from dicom_node.routing.document import DestinationProfile, DicomDestination
from dicom_node.settings import Settings


def open_carrier(name: str, profile: DestinationProfile, settings: Settings) -> Carrier:
    """Return a carrier to the Destination; nothing is connected before the first parcel.

    Raises
    ------
    DeliveryRefused
        The profile names a file of secrets or certificates that cannot be read, or says what cannot be done.
    """
    if isinstance(profile, DicomDestination):
        return DicomCarrier(name, profile, settings)
    raise DeliveryRefused(f"{name}: no carrier for {profile.kind} yet")
