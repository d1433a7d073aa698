"""The way to an Application Entity: one association, kept open, for all that goes there."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from dicom_node import dimse, scu
from dicom_node.association import Peer, accepted_kinds, associate, release
from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.delivery.credentials import tls_context
from dicom_node.delivery.dicom_questions import CommitmentWay, find_instances
from dicom_node.delivery.negotiation import choose_shape, proposed_kinds
from dicom_node.delivery.shapes import Shape, parse_shape
from dicom_node.delivery.shaping import PseudonymsOf, Whereabouts, by_series, shaped_files, whereabouts
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused
from dicom_node.routing.document import DicomDestination
from dicom_node.settings import Settings

ReceiveReport = Callable[[Dataset], bool]
"""Takes the Event Information of a commitment report; False when nobody asked for it."""


def peer_of(name: str, profile: DicomDestination, settings: Settings, timeout: timedelta) -> Peer:
    """Return whom to associate with for a Destination.

    Raises
    ------
    DeliveryRefused
        Its certificates cannot be read.
    """
    return Peer(
        destination=profile.address,
        calling_ae_title=AETitle(profile.calling_ae_title or settings.ae_title),
        timeout=timeout,
        tls=None if profile.tls is None else tls_context(name, profile.tls),
        server_name="" if profile.tls is None else profile.tls.server_name,
    )


class DicomCarrier:
    """Brings parcels with C-STORE (PS3.4 B), each in the most wanted shape that is negotiated."""

    def __init__(
        self,
        peer: Peer,
        profile: DicomDestination,
        pseudonyms_of: PseudonymsOf,
        receive_report: ReceiveReport | None = None,
    ) -> None:
        self._peer, self._profile, self._pseudonyms_of = peer, profile, pseudonyms_of
        self._association: Association | None = None
        self._proposed: frozenset[tuple[str, str]] = frozenset()
        self._commitment = CommitmentWay(peer, receive_report)

    def send(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Send the Instances; return a receipt for each, in their order."""
        stored = [_stored(parcel) for parcel in parcels]
        read = [one for one in stored if isinstance(one, dimse.EncodedInstance)]
        if not read:
            return [_not_sent(parcel, str(one)) for parcel, one in zip(parcels, stored, strict=True)]
        association = self._open(proposed_kinds(self._profile, read))
        with tempfile.TemporaryDirectory(prefix="dicom-node-") as folder:
            return self._send_shaped(association, parcels, stored, Path(folder))

    def find(self, parcels: Sequence[Parcel]) -> dict[str, bool]:
        """Return whether the Destination has each of them, by SOP Instance UID (C-FIND, PS3.4 C)."""
        peer = self._peer
        if self._profile.query_address is not None:
            peer = replace(peer, destination=self._profile.query_address)
        places = {parcel.sop_instance_uid: self._whereabouts(parcel) for parcel in parcels}
        found = find_instances(peer, by_series(place for place in places.values() if place is not None))
        return {uid: place is not None and place.uids <= found for uid, place in places.items()}

    def request_commitment(self, parcels: Sequence[Parcel], transaction_uid: str) -> None:
        """Ask for storage commitment (PS3.4 J) of what the parcels went out as."""
        places = [self._whereabouts(parcel) for parcel in parcels]
        if None in places:
            raise DeliveryRefused("a stored file is gone: nobody knows what to ask for")
        instances = [pair for place in places if place is not None for pair in place.instances]
        self._commitment.request(instances, transaction_uid)

    def sent_as(self, parcel: Parcel) -> frozenset[str]:
        """Return the SOP Instance UIDs under which the Destination has it, from its ``form``."""
        place = self._whereabouts(parcel)
        return frozenset({parcel.sop_instance_uid}) if place is None else place.uids

    def close(self) -> None:
        """Release what was opened; never raises."""
        self._commitment.close()
        if self._association is not None:
            release(self._association)
            self._association = None

    def _open(self, kinds: Sequence[tuple[str, str]]) -> Association:
        """Return the open association where it was asked for all of these kinds, or a new one."""
        association = self._association
        if association is not None and association.is_established and self._proposed >= set(kinds):
            return association
        if association is not None:
            release(association)
        self._association = None
        opened = associate(self._peer, [build_context(*kind) for kind in kinds])
        self._association, self._proposed = opened, frozenset(kinds)
        return opened

    def _send_shaped(
        self,
        association: Association,
        parcels: Sequence[Parcel],
        stored: Sequence[dimse.EncodedInstance | str],
        folder: Path,
    ) -> list[Receipt]:
        accepted = accepted_kinds(association)
        receipts = []
        for parcel, instance in zip(parcels, stored, strict=True):
            if isinstance(instance, str):
                receipts.append(_not_sent(parcel, instance))
                continue
            try:
                shape = choose_shape(instance, self._profile, accepted)
                shape = replace(shape, deidentified=parcel.deidentify)
                files = shaped_files(parcel, shape, folder, self._pseudonyms_of)
            except DeliveryRefused as refusal:
                receipts.append(_not_sent(parcel, str(refusal)))
                continue
            except OSError as error:  # no space for another form of it
                receipts.append(replace(_not_sent(parcel, f"not sent: {error.strerror}"), temporary=True))
                continue
            outcomes = scu.store_all(association, [dimse.split_file_meta(path) for path in files])
            receipts.append(_receipt(parcel, shape, outcomes))
            for path in files:
                if path != parcel.path:
                    path.unlink()
        return receipts

    def _whereabouts(self, parcel: Parcel) -> Whereabouts | None:
        shape: Shape = parse_shape(parcel.form)
        try:
            return whereabouts(parcel, shape, self._pseudonyms_of)
        except OSError:
            return None


def _stored(parcel: Parcel) -> dimse.EncodedInstance | str:
    """What the stored file is, or why it cannot be sent."""
    try:
        return dimse.split_file_meta(parcel.path)
    except OSError as error:
        return f"not sent: {error.strerror}"
    except ValueError as error:
        return f"not sent: {error}"


def _not_sent(parcel: Parcel, why: str) -> Receipt:
    return Receipt(
        sop_instance_uid=parcel.sop_instance_uid,
        accepted=False,
        temporary=False,
        status=None,
        form="",
        comment=why,
    )


def _receipt(parcel: Parcel, shape: Shape, outcomes: Sequence[scu.InstanceOutcome]) -> Receipt:
    """One receipt for all that a parcel went out as: it is there when all of them are."""
    refused = [one for one in outcomes if not one.accepted]
    telling = next((one for one in refused if not one.temporary), (refused or list(outcomes))[0])
    return Receipt(
        sop_instance_uid=parcel.sop_instance_uid,
        accepted=not refused,
        temporary=bool(refused) and all(one.temporary for one in refused),
        status=telling.status,
        form=str(shape),
        comment=telling.comment,
    )
