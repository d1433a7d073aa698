"""pynetdicom's association server, hardened: bounded PDUs, bounded patience, bounded connections.

Three denials of service of pynetdicom 3.0.4 end here: a TLS handshake in the accepting thread without a
deadline, a PDU length that is believed up to 4 GiB, and silent connections that use up the association limit.
Its internals are touched here, in :mod:`dicom_node.scp.messages` and in :mod:`dicom_node.scp.pacing` alone.
"""

import contextlib
import logging
import select
import socket
import socketserver
import time
from typing import Any

from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from dicom_node.archive import Archive
from dicom_node.dimse import LONGEST_PDU
from dicom_node.scp.connections import Connection, Connections
from dicom_node.scp.messages import SpoolingDimse, serve_requests_only
from dicom_node.scp.pacing import pace

logger = logging.getLogger(__name__)

HANDSHAKE_PATIENCE_S = 5.0
"""How long a peer may take for TLS, and again for its A-ASSOCIATE-RQ."""
_QUIET_AFTER_S = 0.25
"""An answer is on its way sooner; later it may be held up by the nap."""
_NAP_S = 0.02
_WAITING_PER_ASSOCIATION = 4
_CONNECTIONS_PER_ASSOCIATION = 16


class BoundedSocket(AssociationSocket):  # type: ignore[misc]  # pynetdicom is Any to mypy
    """A transport that believes no length, waits for no one for ever, and sleeps while its peer is quiet."""

    _read_at = 0.0

    @property
    def ready(self) -> bool:
        """Whether a PDU can be read; a peer that has been quiet is waited for by the kernel, for a moment."""
        if self.socket is not None and time.monotonic() - self._read_at > _QUIET_AFTER_S:
            with contextlib.suppress(OSError, ValueError):  # closed: pynetdicom's own look says so
                select.select([self.socket], [], [], _NAP_S)
        return bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly so many bytes, fewer when the peer closed.

        Raises
        ------
        OSError
            The PDU is longer than allowed, or did not come in time: the connection is closed.
        """
        if nr_bytes > LONGEST_PDU:
            raise OSError(f"a PDU of {nr_bytes} bytes is announced")
        patience = self.assoc.network_timeout if self.assoc.is_established else HANDSHAKE_PATIENCE_S
        deadline = time.monotonic() + patience
        received, wanted = 0, bytearray(nr_bytes)
        with memoryview(wanted) as view:
            while received < nr_bytes:
                self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
                _acknowledge_at_once(self.socket)
                count = self.socket.recv_into(view[received:])
                if not count:
                    break
                received += count
        self._read_at = time.monotonic()
        return wanted[:received] if received < nr_bytes else wanted

    def _shutdown_socket(self) -> None:
        """Close, also when the peer was first: pynetdicom would then leave the descriptor open."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


class HardenedServer(ThreadedAssociationServer):  # type: ignore[misc]
    """Accepts connections, keeps account of them, and spools what they bring into the archive."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any, archive: Archive, maximum_associations: int, **kwargs: Any) -> None:
        self.archive = archive
        self.connections = Connections(
            maximum_associations=maximum_associations,
            most_waiting=maximum_associations * _WAITING_PER_ASSOCIATION,
            most=maximum_associations * _CONNECTIONS_PER_ASSOCIATION,
        )
        self._entered: dict[socket.socket, Connection] = {}
        super().__init__(*args, request_handler=_ConnectionHandler, **kwargs)

    def connection_on(self, request: socket.socket) -> Connection:
        """Return the account of the connection on this socket."""
        return self._entered[request]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, and nothing else: TLS is for the connection's own thread."""
        accepted: tuple[socket.socket, Any] = self.socket.accept()
        return accepted

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        """Count the connection and give it a thread."""
        connection = Connection(socket=request)
        giving_way = self.connections.enter(connection)
        if giving_way is None:
            self.shutdown_request(request)
            return
        for silent in giving_way:
            hang_up(silent)
        self._entered[request] = connection
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:
        """Serve the connection until it is over."""
        connection = self._entered.pop(request)
        try:
            if self.ssl_context is not None:
                request.settimeout(HANDSHAKE_PATIENCE_S)
                request = self.ssl_context.wrap_socket(request, server_side=True)
                connection.socket = request
            self._entered[request] = connection
            super().process_request_thread(request, client_address)
        except OSError:  # ssl.SSLError is one: no TLS in time, or none that we accept
            self.shutdown_request(request)
        finally:
            self._entered.pop(request, None)
            self.connections.leave(connection)

    def shutdown(self) -> None:
        """Stop accepting and close the listening socket; connections go on."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()

    def handle_error(self, request: socket.socket, client_address: Any) -> None:
        """Log what no one expected; the standard library would print it."""
        logger.exception("connection not served", extra={"address": client_address[0]})  # noqa: LOG004 - called in one


class _ConnectionHandler(RequestHandler):  # type: ignore[misc]
    """Makes the association of a connection, with our transport and our message assembly."""

    server: HardenedServer

    def handle(self) -> None:
        """Serve the association until its thread has ended."""
        association = self._create_association()
        connection = self.server.connection_on(self.request)
        association.dul.event_queue.get_nowait()  # the transport indication of the socket that is replaced
        association.dul.socket = BoundedSocket(association, client_socket=self.request)
        association.dimse = SpoolingDimse(association, self.server.archive, connection)
        serve_requests_only(association)
        pace(association)
        association.bind(evt.EVT_CONN_CLOSE, _stop_waiting_for_a_request)
        evt.trigger(association, evt.EVT_CONN_OPEN, {"address": self.client_address})
        association.start()
        try:
            association.join()
        finally:
            association.dimse.discard_spools()


def _stop_waiting_for_a_request(event: Event) -> None:
    """The peer left before its A-ASSOCIATE-RQ; pynetdicom's thread would wait for that all the same."""
    if not event.assoc.dimse.connection.has_asked:
        event.assoc.dul.to_user_queue.put(None)


def hang_up(connection: Connection) -> None:
    """Close a connection from another thread than its own; its threads notice."""
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


def _acknowledge_at_once(transport: socket.socket) -> None:
    """Ask for no delayed ACK: a sender with Nagle on would wait 40 ms for it at the end of each message.

    Linux forgets the option after a while, so it is set before each reading.
    """
    transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
