"""Where parcels lie in folders and buckets, and the receipts of ways that answer yes or no."""

from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.delivery.shapes import Shape
from dicom_node.delivery.shaping import PseudonymsOf, whereabouts
from dicom_node.domain.identifiers import is_uid


def placed_name(parcel: Parcel, shape: Shape, pseudonyms_of: PseudonymsOf) -> str:
    """Return ``<study>/<series>/<instance>.dcm``; every part is a UID.

    Raises
    ------
    OSError
        The stored file, whose header says the study, is gone.
    ValueError
        A UID of the header is none, and must not become a path.
    """
    place = whereabouts(parcel, shape, pseudonyms_of)
    uids = [place.study_instance_uid, place.series_instance_uid, place.instances[0][1]]
    if not all(map(is_uid, uids)):
        raise ValueError("a UID of the header is malformed")
    return "/".join(uids) + ".dcm"


def accepted_receipt(parcel: Parcel, shape: Shape, comment: str) -> Receipt:
    """Return the receipt of what was written."""
    return _receipt(parcel, shape, comment, accepted=True)


def refused_receipt(parcel: Parcel, shape: Shape, comment: str) -> Receipt:
    """Return the receipt of what will never be written."""
    return _receipt(parcel, shape, comment, accepted=False)


def _receipt(parcel: Parcel, shape: Shape, comment: str, *, accepted: bool) -> Receipt:
    return Receipt(
        sop_instance_uid=parcel.sop_instance_uid,
        accepted=accepted,
        temporary=False,
        status=None,
        form=str(shape),
        comment=comment,
    )
