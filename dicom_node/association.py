"""Associations that the node asks for: bounded in every wait, over TLS where the peer wants it."""

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from dicom_node import dimse
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused, DestinationUnreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom to associate with, as whom, and for how long to wait for each answer."""

    destination: Destination
    calling_ae_title: AETitle
    timeout: timedelta
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    """The host that the peer's certificate must name, where not ``destination.host``."""


Handler = tuple[evt.EventType, Callable[[Event], Any]]


def associate(
    peer: Peer, contexts: Sequence[PresentationContext], handlers: Sequence[Handler] = ()
) -> Association:
    """Return an association; not established when the peer accepted none of the presentation contexts.

    Raises
    ------
    DestinationUnreachable
        No connection, no answer, a failed TLS handshake, or a transient rejection (PS3.8 9.3.4, result 2).
    DeliveryRefused
        The association was rejected for good (result 1): an AE title is not recognised, say.
    """
    destination, opened = peer.destination, list[Event]()

    def open_with_limits(event: Event) -> None:
        _bound_every_wait(event, peer.timeout.total_seconds())
        _keep_answers_for_who_asked(event.assoc)
        opened.append(event)

    try:
        association = _entity(peer).associate(
            destination.host,
            destination.port,
            list(contexts),
            destination.ae_title,
            max_pdu=dimse.MAXIMUM_PDU_SIZE,
            tls_args=None if peer.tls is None else (peer.tls, peer.server_name or destination.host),
            evt_handlers=[(evt.EVT_CONN_OPEN, open_with_limits), *handlers],
        )
    except OSError as error:  # the host has no address
        raise DestinationUnreachable(f"{destination}: {error.strerror}") from error
    if association.is_established or association.rejected_contexts:
        return association
    if association.is_rejected:
        raise _rejection(destination, association)
    raise DestinationUnreachable(
        f"{destination} did not answer the association request"
        if opened
        else f"no connection to {destination}{'' if peer.tls is None else ' over TLS'}"
    )


def release(association: Association) -> None:
    """End the association in good order, if there is one."""
    if association.is_established:
        association.release()


def accepted_kinds(association: Association) -> frozenset[tuple[str, str]]:
    """Return the pairs of abstract syntax and Transfer Syntax that the peer takes."""
    if not association.is_established:
        return frozenset()
    return frozenset(
        (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in association.accepted_contexts
    )


def _entity(peer: Peer) -> AE:
    entity = AE(peer.calling_ae_title)
    entity.implementation_class_uid = dimse.IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = dimse.IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = min(dimse.CONNECTION_TIMEOUT, peer.timeout).total_seconds()
    entity.acse_timeout = min(dimse.ACSE_TIMEOUT, peer.timeout).total_seconds()
    entity.dimse_timeout = entity.network_timeout = peer.timeout.total_seconds()
    return entity


def _bound_every_wait(event: Event, patience_s: float) -> None:
    """pynetdicom waits without end for a peer that no longer reads, or that sends a byte now and then."""
    dimse.set_nodelay(event)
    dimse.notice_dead_peer(event)
    transport = event.assoc.dul.socket
    transport.socket.settimeout(patience_s)

    def read(nr_bytes: int) -> bytearray:
        received = dimse.read_within_bounds(transport, nr_bytes, patience_s)
        transport.socket.settimeout(patience_s)
        return received

    transport.recv = read


class _Checkpoint(threading.Event):
    """pynetdicom's sign that its reactor may take messages; clearing it waits for one that is being taken."""

    def __init__(self) -> None:
        super().__init__()
        self.taking = threading.Lock()
        self.set()

    def clear(self) -> None:
        """Return when nothing will be taken any more."""
        with self.taking:
            super().clear()


def _keep_answers_for_who_asked(association: Association) -> None:
    """Close a race of pynetdicom 3.0.4: its reactor may take the answer to a request and drop it.

    The reactor passes its checkpoint, a request clears the checkpoint and goes out, and the reactor looks for
    messages: "Received unexpected C-FIND service message". Who asked waits for the whole time-out.
    """
    checkpoint, get_message = _Checkpoint(), association.dimse.get_msg
    association._reactor_checkpoint = checkpoint  # noqa: SLF001 - it has no other way in

    def get_message_unless_awaited(block: bool = False) -> tuple[int | None, object]:
        if block:
            return get_message(block=True)  # type: ignore[no-any-return]
        with checkpoint.taking:
            return get_message(block=False) if checkpoint.is_set() else (None, None)

    association.dimse.get_msg = get_message_unless_awaited


def _rejection(
    destination: Destination, association: Association
) -> DeliveryRefused | DestinationUnreachable:
    answer = association.acceptor.primitive
    told = f"{destination}: {answer.result_str} by {answer.source_str}: {answer.reason_str}"
    return DeliveryRefused(told) if answer.result == 1 else DestinationUnreachable(told)  # PS3.8 Table 9-21
