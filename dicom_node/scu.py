"""The node as SCU: C-ECHO, and C-STORE of many Instances on one association with an outcome for each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification

from dicom_node import dimse
from dicom_node.association import Peer, associate, release
from dicom_node.dimse import EncodedInstance
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.domain.text import printable
from dicom_node.errors import DeliveryRefused, DestinationUnreachable

ECHO_TIMEOUT = timedelta(seconds=10)

_CONTEXT_REFUSALS = {  # PS3.8 Table 9-18
    1: "user rejection",
    2: "no reason given",
    3: "SOP Class not supported",
    4: "Transfer Syntax not supported",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoResult:
    """What came of a C-ECHO."""

    association_s: float
    round_trip_s: float
    status: int
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceOutcome:
    """What came of sending one Instance."""

    path: Path
    sop_instance_uid: str
    """Empty when the file says none."""
    status: int | None
    """The DIMSE status; None when the peer gave none for this Instance."""
    accepted: bool
    """The peer has it: Success, or a warning, which ``comment`` tells."""
    temporary: bool
    """Not accepted now, but may be later."""
    comment: str


def echo(
    destination: Destination, *, calling_ae_title: AETitle, timeout: timedelta = ECHO_TIMEOUT
) -> EchoResult:
    """Verify the way to the Destination with a C-ECHO (PS3.4 A).

    Raises
    ------
    DestinationUnreachable
        No association, or no answer in time.
    DeliveryRefused
        The association was rejected for good, or the peer does not offer Verification.
    """
    began = time.monotonic()
    peer = Peer(destination=destination, calling_ae_title=calling_ae_title, timeout=timeout)
    return echo_peer(peer, began)


def echo_peer(peer: Peer, began: float) -> EchoResult:
    """Verify the way to a peer with a C-ECHO; ``began`` is when, by ``time.monotonic``. See :func:`echo`."""
    association = associate(peer, [build_context(Verification)])
    destination = peer.destination
    if not association.is_established:
        raise DeliveryRefused(f"{destination} does not offer Verification")
    established = time.monotonic()
    response = association.send_c_echo()
    answered = time.monotonic()
    release(association)
    if "Status" not in response:
        raise DestinationUnreachable(f"{destination} did not answer the C-ECHO")
    return EchoResult(
        association_s=established - began,
        round_trip_s=answered - established,
        status=response.Status,
        accepted=dimse.is_accepted(response.Status),
    )


def send_instances(
    paths: Sequence[Path],
    destination: Destination,
    *,
    calling_ae_title: AETitle,
    timeout: timedelta = dimse.DIMSE_TIMEOUT,
) -> list[InstanceOutcome]:
    """Send Part 10 files to the Destination on one association; return an outcome for each, in their order.

    The data sets go as they are encoded in the files: each pair of SOP Class and Transfer Syntax is proposed
    in a presentation context of its own, and what the peer takes no syntax for is not sent in another one.

    Parameters
    ----------
    timeout
        Longest wait for the answer to one C-STORE. When it runs out, or the association breaks, what was sent
        before keeps its outcome and the rest is ``temporary``.

    Raises
    ------
    DestinationUnreachable
        There was no association: no connection, no answer, or a transient rejection (PS3.8 9.3.4, result 2).
    DeliveryRefused
        The association was rejected for good (result 1): an AE title is not recognised, say. A person has to
        change the configuration of one side; asking again would not help.
    """
    read = [_read(path) for path in paths]
    instances = [one for one in read if isinstance(one, EncodedInstance)]
    peer = Peer(destination=destination, calling_ae_title=calling_ae_title, timeout=timeout)
    answers = iter(_send(instances, peer) if instances else [])
    return [one if isinstance(one, InstanceOutcome) else next(answers) for one in read]


def _read(path: Path) -> EncodedInstance | InstanceOutcome:
    try:
        return dimse.split_file_meta(path)
    except OSError as error:
        return _without_answer(path, "", f"not sent: {error.strerror}", temporary=False)
    except ValueError as error:
        return _without_answer(path, "", f"not sent: {error}", temporary=False)


def store_all(association: Association, instances: Sequence[EncodedInstance]) -> list[InstanceOutcome]:
    """C-STORE the Instances on the association; return an outcome for each, in their order.

    When the association breaks it is aborted, what was sent before keeps its outcome and the rest is
    ``temporary``.
    """
    outcomes: list[InstanceOutcome] = []
    for instance in instances:
        outcome = _store(association, instance, message_id=len(outcomes) % 65535 + 1)
        outcomes.append(outcome)
        if outcome.status is None and outcome.temporary:  # others would wait for their whole time
            association.abort()
            left = instances[len(outcomes) :]
            return outcomes + [
                _without_answer(
                    one.path, one.sop_instance_uid, "not sent: the association broke", temporary=True
                )
                for one in left
            ]
    return outcomes


def _send(instances: Sequence[EncodedInstance], peer: Peer) -> list[InstanceOutcome]:
    kinds = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in instances})
    contexts = [build_context(*kind) for kind in kinds[: dimse.MOST_PRESENTATION_CONTEXTS]]
    association = associate(peer, contexts)
    outcomes = store_all(association, instances)
    release(association)
    return outcomes


def _store(association: Association, instance: EncodedInstance, message_id: int) -> InstanceOutcome:
    path, uid = instance.path, instance.sop_instance_uid
    refusal = _context_refusal(association, instance)
    if refusal:
        return _without_answer(path, uid, f"not sent: {refusal}", temporary=False)
    try:
        response = association.send_c_store(path, msg_id=message_id)
    except RuntimeError:
        return _without_answer(path, uid, "not sent: the association had ended", temporary=True)
    except OSError as error:  # the file went away, and half of a message may be on its way
        return _without_answer(path, uid, f"not sent: {error.strerror}", temporary=True)
    if "Status" not in response:
        return _without_answer(
            path, uid, "no answer: the association broke or the time ran out", temporary=True
        )
    told = dimse.describe(response.Status)
    return InstanceOutcome(
        path=instance.path,
        sop_instance_uid=instance.sop_instance_uid,
        status=response.Status,
        accepted=dimse.is_accepted(response.Status),
        temporary=dimse.is_temporary(response.Status),
        comment=f"{told}: {printable(str(response.ErrorComment))}" if "ErrorComment" in response else told,
    )


def _context_refusal(association: Association, instance: EncodedInstance) -> str:
    """Return why the peer takes no such Instance; empty when it does."""
    kind = (instance.sop_class_uid, instance.transfer_syntax_uid)
    if any(kind == (cx.abstract_syntax, cx.transfer_syntax[0]) for cx in association.accepted_contexts):
        return ""
    reasons = [cx.result for cx in association.rejected_contexts if kind == _proposed(cx)]
    told = _CONTEXT_REFUSALS.get(reasons[0], "") if reasons else "not proposed: too many kinds at once"
    return f"the peer accepted no presentation context for Transfer Syntax {kind[1]} ({told})"


def _proposed(context: PresentationContext) -> tuple[str, str]:
    return context.abstract_syntax, context.transfer_syntax[0]


def _without_answer(path: Path, sop_instance_uid: str, why: str, *, temporary: bool) -> InstanceOutcome:
    return InstanceOutcome(
        path=path,
        sop_instance_uid=sop_instance_uid,
        status=None,
        accepted=False,
        temporary=temporary,
        comment=why,
    )
