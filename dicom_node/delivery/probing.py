"""Probes: what a Destination answers and takes, asked without sending it any object."""

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from pydicom.uid import UID
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, StudyRootQueryRetrieveInformationModelFind

from dicom_node import scu
from dicom_node.association import Peer, accepted_kinds, associate, release
from dicom_node.delivery.bucket_carrier import BucketCarrier
from dicom_node.delivery.dicom_carrier import peer_of
from dicom_node.delivery.negotiation import Kinds, choose_shape, result_kinds
from dicom_node.delivery.opening import check_compression, installation_pseudonyms
from dicom_node.delivery.stow_carrier import StowCarrier, http_client
from dicom_node.dimse import SOP_CLASSES_MADE, SOP_CLASSES_READ, EncodedInstance
from dicom_node.domain.delivery import Proof
from dicom_node.domain.identifiers import SOPInstanceUID
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.imaging.transfer_syntaxes import ENCAPSULATED, NATIVE
from dicom_node.routing.document import (
    BucketDestination,
    DestinationProfile,
    DicomDestination,
    FolderDestination,
    StowDestination,
)
from dicom_node.settings import Settings

_PATIENCE = timedelta(seconds=10)
_COMMITMENT, _FIND = str(StorageCommitmentPushModel), str(StudyRootQueryRetrieveInformationModelFind)
_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_PROOFS = {
    "dicom": {Proof.NONE, Proof.COMMITMENT, Proof.FIND},
    "stow": {Proof.NONE, Proof.QIDO},
    "folder": {Proof.NONE, Proof.READ_BACK},
    "bucket": {Proof.NONE, Proof.READ_BACK},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a probe found."""

    facts: dict[str, object] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """Why deliveries would fail; none means that they should not."""


def probe(name: str, profile: DestinationProfile, settings: Settings) -> Probe:
    """Ask a Destination what it answers and takes; nothing of any patient goes there."""
    try:
        found = _probe(name, profile, settings)
    except (DestinationUnreachable, DeliveryRefused) as error:
        return Probe(problems=(str(error),))
    if profile.proof not in _PROOFS[profile.kind]:
        wrong = f"proof {profile.proof.value!r} is none that a destination of kind {profile.kind!r} gives"
        return replace(found, problems=(*found.problems, wrong))
    return found


def _probe(name: str, profile: DestinationProfile, settings: Settings) -> Probe:
    match profile:
        case DicomDestination():
            check_compression(name, profile)
            return _probe_dicom(peer_of(name, profile, settings, _PATIENCE), profile)
        case StowDestination():
            return _probe_stow(name, profile, settings)
        case FolderDestination():
            return _probe_folder(Path(profile.path))
        case BucketDestination():
            carrier = BucketCarrier(name, profile, lambda: installation_pseudonyms(settings.data_home))
            carrier.write_and_remove(f"probe-{uuid.uuid4().hex}")
            return Probe(facts={"writable": True})


def _probe_dicom(peer: Peer, profile: DicomDestination) -> Probe:
    began = time.monotonic()
    facts: dict[str, object] = {}
    problems = []
    try:
        echoed = scu.echo_peer(peer, began)
        facts["echo_ms"] = round(1000 * echoed.round_trip_s, 1)
    except DeliveryRefused as refusal:
        problems.append(str(refusal))
    stored = _negotiate(peer, result_kinds(profile))
    offered = _negotiate(peer, [(_COMMITMENT, _IMPLICIT), *_original_kinds()])
    asked = peer if profile.query_address is None else replace(peer, destination=profile.query_address)
    finds = bool(_negotiate(asked, [(_FIND, _IMPLICIT)]))
    commits = any(kind[0] == _COMMITMENT for kind in offered)
    shapes = {UID(uid).name: _outcome(uid, profile, stored) for uid in SOP_CLASSES_MADE}
    problems += [f"{name}: no form of it is taken" for name, shape in shapes.items() if shape is None]
    if profile.proof is Proof.COMMITMENT and not commits:
        problems.append("proof 'commitment': storage commitment is not offered")
    if profile.proof is Proof.FIND and not finds:
        problems.append("proof 'find': Study Root FIND is not offered")
    facts |= {
        "results_go_out_as": shapes,
        "results_taken": _readable(stored),
        "originals_taken": _readable(kind for kind in offered if kind[0] != _COMMITMENT),
        "storage_commitment": commits,
        "find": finds,
    }
    return Probe(facts=facts, problems=tuple(problems))


def _negotiate(peer: Peer, kinds: Iterable[tuple[str, str]]) -> Kinds:
    association = associate(peer, [build_context(*kind) for kind in kinds])
    try:
        return accepted_kinds(association)
    finally:
        release(association)


def _original_kinds() -> list[tuple[str, str]]:
    return [(sop_class, syntax) for sop_class in SOP_CLASSES_READ for syntax in (*NATIVE, *ENCAPSULATED)]


def _outcome(sop_class_uid: str, profile: DicomDestination, accepted: Kinds) -> str | None:
    """In what form a result of this SOP Class would go out; None: in none."""
    result = EncodedInstance(
        path=Path(),
        sop_class_uid=sop_class_uid,
        sop_instance_uid=SOPInstanceUID(""),
        transfer_syntax_uid=_EXPLICIT,
        offset=0,
    )
    try:
        return str(choose_shape(result, profile, accepted)) or "as stored"
    except DeliveryRefused:
        return None


def _readable(kinds: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sop_class, syntax in sorted(kinds):
        found.setdefault(UID(sop_class).name, []).append(UID(syntax).name)
    return found


def _probe_stow(name: str, profile: StowDestination, settings: Settings) -> Probe:
    carrier = StowCarrier(http_client(name, profile), lambda: installation_pseudonyms(settings.data_home))
    try:
        began = time.monotonic()
        status = carrier.search_any()
        return Probe(facts={"qido_status": status, "answer_ms": round(1000 * (time.monotonic() - began), 1)})
    finally:
        carrier.close()


def _probe_folder(root: Path) -> Probe:
    if not root.is_dir():
        return Probe(problems=(f"{root} is no folder: is it mounted?",))
    trial = root / f".probe-{uuid.uuid4().hex}.part"
    try:
        trial.write_bytes(b"probe")
        trial.unlink()
    except OSError as error:
        return Probe(problems=(f"{root}: {error.strerror}",))
    return Probe(facts={"writable": True})
