"""The DICOM listener: which associations it takes, how it starts, how it stops."""

import logging
import signal
import ssl
import threading
from datetime import timedelta
from importlib.metadata import version
from types import FrameType

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification

from dicom_node import readiness
from dicom_node.database import audit_trail, completion
from dicom_node.dimse import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    MAXIMUM_PDU_SIZE,
    SOP_CLASSES_READ,
)
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.errors import ConfigurationError, OutOfResources
from dicom_node.imaging.transfer_syntaxes import decodable_transfer_syntaxes
from dicom_node.resources import Resources, open_resources
from dicom_node.scp import commitment
from dicom_node.scp.acceptor import HANDSHAKE_PATIENCE_S, HardenedServer, hang_up
from dicom_node.scp.commitment import CommitmentHandler
from dicom_node.scp.connections import Connection
from dicom_node.scp.storage import StoreHandler
from dicom_node.settings import Settings

logger = logging.getLogger(__name__)

DRAINING = timedelta(seconds=10)
_CLOSING = timedelta(seconds=5)
_COUNTED_BY_US = 1_000_000
_LIMIT_EXCEEDED = (2, 3, 2)  # PS3.8 Table 9-21: transient, presentation related, local limit exceeded
_REFUSALS = {3: "calling AE title not recognised", 7: "called AE title not recognised"}  # PS3.8 Table 9-21


class NodeServer:
    """The Verification and Storage SCP of one node, and the SCU end of Storage Commitment reports."""

    def __init__(
        self,
        resources: Resources,
        *,
        transfer_syntaxes: tuple[str, ...],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._resources = resources
        self._transfer_syntaxes = transfer_syntaxes
        self._storage = StoreHandler(
            resources=resources,
            sop_classes=frozenset(SOP_CLASSES_READ),
            transfer_syntaxes=frozenset(transfer_syntaxes),
        )
        self._commitment = CommitmentHandler(resources=resources)
        self._tls = tls
        self._server: HardenedServer | None = None
        self._accepting: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also when the setting left the choice to the system."""
        assert self._server is not None  # noqa: S101 - started
        return int(self._server.server_address[1])

    @property
    def is_serving(self) -> bool:
        """Whether any connection is open."""
        return self._server is not None and bool(self._server.connections.all())

    def start(self) -> None:
        """Listen, and serve associations until :meth:`stop`.

        Raises
        ------
        ConfigurationError
            The address is taken, or not ours.
        """
        settings = self._resources.settings
        if not settings.calling_ae_titles:
            logger.warning("every AE may send: DICOM_NODE_CALLING_AE_TITLES is empty")
        try:
            self._server = self._application_entity().make_server(
                (settings.scp_host, settings.scp_port),
                server_class=HardenedServer,
                ssl_context=self._tls,
                evt_handlers=[
                    (evt.EVT_REQUESTED, self._on_requested),
                    (evt.EVT_REJECTED, self._on_rejected),
                    (evt.EVT_C_STORE, self._on_store),
                    (evt.EVT_N_EVENT_REPORT, self._commitment.handle_report),
                    (evt.EVT_RELEASED, self._on_released),
                    (evt.EVT_ABORTED, self._on_aborted),
                ],
                archive=self._resources.archive,
                maximum_associations=settings.maximum_associations,
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {settings.scp_host}:{settings.scp_port}: {error.strerror}"
            ) from error
        self._accepting = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="scp-accept", daemon=True
        )
        self._accepting.start()

    def stop(self, drain: timedelta = DRAINING) -> None:
        """Take no new association, let those that run come to their end for a while, then abort them."""
        assert self._server is not None and self._accepting is not None  # noqa: S101, PT018 - started
        server = self._server
        server.shutdown()
        self._accepting.join()
        if not server.connections.wait_for_associations(drain):
            logger.warning("associations aborted at stop")
        for association in server.active_associations:
            if association.is_established:
                association.abort()
        for connection in server.connections.all():
            hang_up(connection)
        server.connections.wait_for_the_last(_CLOSING)

    def _application_entity(self) -> ApplicationEntity:
        settings = self._resources.settings
        entity = ApplicationEntity(settings.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.require_called_aet = True
        entity.require_calling_aet = list(settings.calling_ae_titles)
        entity.maximum_associations = _COUNTED_BY_US
        entity.maximum_pdu_size = MAXIMUM_PDU_SIZE
        entity.acse_timeout = HANDSHAKE_PATIENCE_S
        entity.dimse_timeout = entity.network_timeout = settings.network_timeout.total_seconds()
        entity.add_supported_context(Verification)
        for sop_class in SOP_CLASSES_READ:
            entity.add_supported_context(sop_class, list(self._transfer_syntaxes))
        # A Destination that reports on an association of its own is its SCP there (PS3.4 J.3.3.1.4).
        entity.add_supported_context(commitment.SOP_CLASS, scu_role=True, scp_role=True)
        return entity

    def _on_requested(self, event: Event) -> None:
        assert self._server is not None  # noqa: S101 - started
        if not self._server.connections.ask(_connection(event)):
            logger.warning("association refused: local limit exceeded", extra=_peer(event))
            event.assoc.acse.send_reject(*_LIMIT_EXCEEDED)
            event.assoc.kill()

    def _on_rejected(self, event: Event) -> None:
        self._end_association(event)
        requested = event.assoc.requestor.primitive
        reason = _REFUSALS.get(event.assoc.acceptor.primitive.diagnostic, "not accepted")
        logger.warning("association refused", extra={**_peer(event), "why": reason})
        _audit(
            self._resources,
            AuditEvent(
                action=Action.ASSOCIATION_REFUSED,
                actor=str(requested.calling_ae_title),
                subject=event.assoc.requestor.address,
                detail={"reason": reason, "called_ae_title": str(requested.called_ae_title)},
            ),
        )

    def _on_store(self, event: Event) -> object:
        return self._storage.handle_store(event, _connection(event))

    def _on_released(self, event: Event) -> None:
        """An association that was released in good order may have been the last of its studies."""
        resources, connection = self._resources, _connection(event)
        try:
            with resources.database.begin() as session:
                completion.record_release(
                    session,
                    connection.association_id,
                    quiet=resources.quiet_periods,
                    now=resources.database.now(session),
                )
        except OutOfResources:
            logger.exception("release not recorded", extra={"association": connection.association_id})
        resources.dispatcher_bell.ring()
        self._end_association(event)

    def _on_aborted(self, event: Event) -> None:
        """An abort or a lost connection is no release: the studies wait for silence."""
        logger.warning("association aborted", extra={"association": _connection(event).association_id})
        self._end_association(event)

    def _end_association(self, event: Event) -> None:
        assert self._server is not None  # noqa: S101 - started
        self._server.connections.end_association(_connection(event))


def serve(settings: Settings) -> None:
    """Run the DICOM listener until SIGTERM or SIGINT."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    # What hostile bytes make pynetdicom say, with a traceback each, is said here in one line each.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    resources = open_resources(settings)
    removed = resources.archive.remove_leftovers()
    server = NodeServer(resources, transfer_syntaxes=decodable_transfer_syntaxes())
    server.start()
    _audit_process(resources, Action.NODE_STARTED, port=server.port, leftovers_removed=removed)
    readiness.announce(settings.run_home, "scp", port=server.port)
    logger.info("listening", extra={"ae_title": settings.ae_title, "port": server.port})
    stopping.wait()
    readiness.withdraw(settings.run_home, "scp")
    server.stop()
    _audit_process(resources, Action.NODE_STOPPED)
    resources.close()


def _audit_process(resources: Resources, action: Action, **detail: int) -> None:
    _audit(
        resources, AuditEvent(action=action, actor="scp", detail={**detail, "version": version("dicom-node")})
    )


def _audit(resources: Resources, event: AuditEvent) -> None:
    """Enter an event that no change of state carries; a DICOM peer does not wait for a lost database."""
    try:
        with resources.database.begin() as session:
            audit_trail.record(session, [event], at=resources.database.now(session))
    except OutOfResources:
        logger.exception("not audited", extra={"action": event.action.value})


def _connection(event: Event) -> Connection:
    connection: Connection = event.assoc.dimse.connection
    return connection


def _peer(event: Event) -> dict[str, str]:
    requested = event.assoc.requestor.primitive
    return {
        "address": event.assoc.requestor.address,
        "calling_ae": str(requested.calling_ae_title),
        "called_ae": str(requested.called_ae_title),
    }
