"""Opening the way to a Destination, by its kind."""

from functools import cache, partial
from pathlib import Path

from dicom_node import dimse
from dicom_node.confidentiality.identity import Pseudonyms, pseudonyms_of
from dicom_node.delivery.bucket_carrier import BucketCarrier
from dicom_node.delivery.carriers import Carrier
from dicom_node.delivery.dicom_carrier import DicomCarrier, ReceiveReport, peer_of
from dicom_node.delivery.folder_carrier import FolderCarrier
from dicom_node.delivery.shapes import TRANSFER_SYNTAXES
from dicom_node.delivery.stow_carrier import StowCarrier, http_client
from dicom_node.errors import DeliveryRefused
from dicom_node.imaging.transcoding import can_compress_to
from dicom_node.routing.document import (
    DestinationProfile,
    DicomDestination,
    FolderDestination,
    StowDestination,
)
from dicom_node.settings import Settings


def open_carrier(
    name: str,
    profile: DestinationProfile,
    settings: Settings,
    receive_report: ReceiveReport | None = None,
) -> Carrier:
    """Return a carrier to the Destination; nothing is connected before the first parcel.

    Parameters
    ----------
    receive_report
        Takes a storage commitment report that comes on the association that asked for it. Without it the
        Destination is told to report again later, which it does to the node's SCP.

    Raises
    ------
    DeliveryRefused
        The profile names a file of secrets or certificates that cannot be read, or wants what the installed
        libraries cannot do.
    """
    secret = partial(installation_pseudonyms, settings.data_home)
    if isinstance(profile, DicomDestination):
        check_compression(name, profile)
        peer = peer_of(name, profile, settings, dimse.DIMSE_TIMEOUT)
        return DicomCarrier(peer, profile, secret, receive_report)
    if isinstance(profile, StowDestination):
        return StowCarrier(http_client(name, profile), secret)
    if isinstance(profile, FolderDestination):
        return FolderCarrier(Path(profile.path), secret)
    return BucketCarrier(name, profile, secret)


def check_compression(name: str, profile: DicomDestination) -> None:
    """Raise :class:`DeliveryRefused` when the installed libraries do not write a wanted Transfer Syntax."""
    unable = [word for word in profile.compress if not can_compress_to(TRANSFER_SYNTAXES[word])]
    if unable:
        raise DeliveryRefused(f"{name}: compress: no installed library writes {', '.join(unable)}")


@cache
def installation_pseudonyms(data_home: Path) -> Pseudonyms:
    """Return the pseudonyms of this installation; see :func:`pseudonyms_of`.

    Raises
    ------
    DeliveryRefused
        The key cannot be read or drawn: nothing may leave that should be de-identified.
    """
    try:
        return pseudonyms_of(data_home / "deidentification.key")
    except (OSError, ValueError) as error:
        raise DeliveryRefused(f"not de-identified: {error}") from error
