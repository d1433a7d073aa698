"""Associations: who may, how many, how they end; and that no silent or hostile peer keeps others out."""

import contextlib
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification

from dicom_node.database import studies
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.domain.study import StudyState
from dicom_node.errors import ConfigurationError
from dicom_node.resources import Resources, open_resources
from dicom_node.scp.server import NodeServer
from tests.peers import dcmtk
from tests.peers.sender import Sender
from tests.synthetic.studies import chest_film, ct_series

Audited = Callable[..., list[AuditEvent]]
WaitUntil = Callable[[Callable[[], bool]], None]
CR = "1.2.840.10008.5.1.4.1.1.1"
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def strict_server(resources: Resources, transfer_syntaxes: tuple[str, ...]) -> Iterator[NodeServer]:
    """Two known AEs, two associations."""
    settings = resources.settings.model_copy(
        update={"calling_ae_titles": ("MODALITY", "PACS"), "maximum_associations": 2}
    )
    strict = open_resources(settings)
    running = NodeServer(strict, transfer_syntaxes=transfer_syntaxes)
    running.start()
    yield running
    running.stop()
    strict.close()


def test_an_unknown_calling_ae_is_rejected_and_audited(
    strict_server: NodeServer, audited: Audited, wait_until: WaitUntil
) -> None:
    assert Sender(strict_server.port, calling="STRANGER").rejection == (1, 1, 3)
    wait_until(lambda: bool(audited(Action.ASSOCIATION_REFUSED)))
    (event,) = audited(Action.ASSOCIATION_REFUSED)
    assert (event.actor, event.subject) == ("STRANGER", "127.0.0.1")
    assert event.detail["reason"] == "calling AE title not recognised"
    with Sender(strict_server.port, calling="PACS") as sender:
        assert sender.association.send_c_echo().Status == 0x0000


def test_a_wrong_called_ae_is_rejected_and_audited(
    strict_server: NodeServer, audited: Audited, wait_until: WaitUntil
) -> None:
    assert Sender(strict_server.port, called="SOMEONE").rejection == (1, 1, 7)
    wait_until(lambda: bool(audited(Action.ASSOCIATION_REFUSED)))
    (event,) = audited(Action.ASSOCIATION_REFUSED)
    assert event.detail["called_ae_title"] == "SOMEONE"


@on_sqlite
def test_dcmtk_is_told_why_it_is_rejected(strict_server: NodeServer) -> None:
    node = Destination(ae_title=AETitle("DICOM_NODE"), host="127.0.0.1", port=strict_server.port)
    refused = dcmtk.echoscu(node, calling_ae_title="STRANGER")
    assert refused.returncode != 0
    assert "Calling AE Title Not Recognized" in refused.stdout
    assert dcmtk.echoscu(node, calling_ae_title="PACS").returncode == 0


@on_sqlite
def test_above_the_limit_associations_are_told_to_come_later(
    strict_server: NodeServer, wait_until: WaitUntil
) -> None:
    with Sender(strict_server.port), Sender(strict_server.port):
        assert Sender(strict_server.port).rejection == (2, 3, 2)
    wait_until(lambda: _is_taken(strict_server.port))


def _is_reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def _is_taken(port: int) -> bool:
    sender = Sender(port)
    sender.close()
    return sender.rejection is None


@on_sqlite
def test_a_sop_class_or_syntax_that_is_not_read_is_not_negotiated(server: NodeServer) -> None:
    with Sender(
        server.port, sop_classes=["1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"]
    ) as sender:
        assert [context.result for context in sender.association.rejected_contexts] == [3]
    with Sender(server.port, transfer_syntax="1.2.840.10008.1.2.2") as sender:
        assert {context.result for context in sender.association.rejected_contexts} == {4}


@on_sqlite
def test_twenty_senders_at_once_lose_nothing(server: NodeServer, resources: Resources) -> None:
    series = ct_series(slices=40, size=64)

    def send(index: int) -> list[int]:
        with Sender(server.port) as sender:
            return [sender.send(one).Status for one in series[index * 2 : index * 2 + 2]]

    with ThreadPoolExecutor(20) as pool:
        statuses = [status for answered in pool.map(send, range(20)) for status in answered]
    assert statuses == [0x0000] * 40
    with resources.database.read() as session:
        assert len(studies.instances_of(session, series[0].StudyInstanceUID)) == 40


@on_sqlite
def test_the_port_that_is_taken_is_said(server: NodeServer, resources: Resources) -> None:
    settings = resources.settings.model_copy(update={"scp_port": server.port})
    second = open_resources(settings)
    with pytest.raises(ConfigurationError, match=str(server.port)):
        NodeServer(second, transfer_syntaxes=("1.2.840.10008.1.2.1",)).start()
    second.close()


@on_sqlite
def test_stopping_lets_a_running_association_finish(
    resources: Resources, transfer_syntaxes: tuple[str, ...], wait_until: WaitUntil
) -> None:
    server = NodeServer(resources, transfer_syntaxes=transfer_syntaxes)
    server.start()
    with Sender(server.port) as sender, ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(server.stop, timedelta(seconds=10))
        wait_until(lambda: not _is_reachable(server.port))
        assert sender.send(chest_film()).Status == 0x0000
        assert not stopped.done()
        sender.association.release()
        stopped.result(timeout=8)
    assert not server.is_serving


@on_sqlite
def test_stopping_aborts_an_association_that_does_not_finish(
    resources: Resources, transfer_syntaxes: tuple[str, ...], wait_until: WaitUntil
) -> None:
    server = NodeServer(resources, transfer_syntaxes=transfer_syntaxes)
    server.start()
    sender = Sender(server.port)
    server.stop(timedelta(seconds=0.2))
    wait_until(lambda: sender.association.is_aborted)
    sender.close()
    wait_until(lambda: not server.is_serving)


@on_sqlite
def test_silent_connections_keep_nobody_out(strict_server: NodeServer, wait_until: WaitUntil) -> None:
    silent = [socket.create_connection(("127.0.0.1", strict_server.port)) for _ in range(30)]
    with Sender(strict_server.port) as sender:
        assert sender.association.send_c_echo().Status == 0x0000
    for connection in silent:
        connection.close()
    wait_until(lambda: not strict_server.is_serving)


@on_sqlite
def test_random_bytes_keep_nobody_out(strict_server: NodeServer, wait_until: WaitUntil) -> None:
    before = threading.active_count()
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", strict_server.port)) as connection:
            connection.sendall(b"\x01\x00\x00\x00\x00\x20" + b"\xa5" * 32)
    with Sender(strict_server.port) as sender:
        assert sender.association.send_c_echo().Status == 0x0000
    wait_until(lambda: threading.active_count() <= before + 1)


@on_sqlite
def test_half_a_pdu_holds_a_connection_for_seconds_only(strict_server: NodeServer) -> None:
    with socket.create_connection(("127.0.0.1", strict_server.port), timeout=15) as slow:
        slow.sendall(b"\x01\x00\x00")
        started = time.monotonic()
        assert slow.recv(100) in {b"", b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"}
        assert time.monotonic() - started < 10


def _bytes_taken(connection: socket.socket, most: int) -> int:
    """Send zeros until the peer closes."""
    sent = 0
    try:
        while sent < most:
            sent += connection.send(bytes(1 << 20))
    except ConnectionError:
        pass
    return sent


@on_sqlite
def test_a_pdu_that_claims_four_gigabytes_is_not_read(strict_server: NodeServer) -> None:
    with socket.create_connection(("127.0.0.1", strict_server.port), timeout=10) as hostile:
        hostile.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFF0))
        assert _bytes_taken(hostile, 64 << 20) < 64 << 20


@on_sqlite
def test_an_endless_command_set_is_aborted(strict_server: NodeServer) -> None:
    """Command fragments would be collected in memory until the last one comes."""
    sender = Sender(strict_server.port)
    context_id = sender.association.accepted_contexts[0].context_id
    payload = struct.pack(">LBB", 4098, context_id, 0x01) + bytes(4096)
    pdu = struct.pack(">BBL", 4, 0, len(payload)) + payload
    transport = sender.association.dul.socket.socket
    deadline = time.monotonic() + 10
    while not sender.association.is_aborted:
        assert time.monotonic() < deadline
        try:
            transport.sendall(pdu)
        except OSError:
            break


@on_sqlite
def test_a_silent_tls_client_keeps_nobody_out(
    resources: Resources, transfer_syntaxes: tuple[str, ...], tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = NodeServer(resources, transfer_syntaxes=transfer_syntaxes, tls=context)
    server.start()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    try:
        entity = AE("MODALITY")
        entity.add_requested_context(Verification)
        trusting = ssl.create_default_context(cafile=str(certificate))
        association = entity.associate(
            "127.0.0.1", server.port, ae_title="DICOM_NODE", tls_args=(trusting, "127.0.0.1")
        )
        assert association.is_established
        assert association.send_c_echo().Status == 0x0000
        association.release()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            plain.sendall(b"\x01\x00\x00\x00\x00\x20" + bytes(32))
            with contextlib.suppress(ConnectionResetError):
                assert plain.recv(100)[:1] != b"\x02", "no A-ASSOCIATE-AC without TLS"
    finally:
        for connection in silent:
            connection.close()
        server.stop(timedelta(seconds=0.2))


def test_a_release_is_entered_and_an_abort_is_not(
    server: NodeServer, resources: Resources, wait_until: WaitUntil
) -> None:
    released, aborted = chest_film(study=1), chest_film(study=2)
    with Sender(server.port) as sender:
        assert sender.send(released).Status == 0x0000
    broken = Sender(server.port)
    assert broken.send(aborted).Status == 0x0000
    broken.abort()
    wait_until(lambda: not server.is_serving)
    with resources.database.read() as session:
        of_released = studies.find_study(session, released.StudyInstanceUID)
        of_aborted = studies.find_study(session, aborted.StudyInstanceUID)
    assert of_released is not None
    assert of_aborted is not None
    assert of_released.last_released_at is not None
    assert of_aborted.last_released_at is None
    assert of_aborted.state is StudyState.RECEIVING


def _p_data(context_id: int, command: Dataset) -> bytes:
    """One P-DATA-TF with a whole command set (PS3.8 9.3.5, PS3.7 6.3.1)."""
    encoded = encode(command, is_implicit_vr=True, is_little_endian=True) or b""
    encoded = struct.pack("<HHLL", 0, 0, 4, len(encoded)) + encoded
    item = struct.pack(">LBB", len(encoded) + 2, context_id, 0x03) + encoded
    return struct.pack(">BBL", 4, 0, len(item)) + item


def _command(**attributes: object) -> Dataset:
    command = Dataset()
    for keyword, value in {"MessageID": 1, "CommandDataSetType": 0x0101, **attributes}.items():
        setattr(command, keyword, value)
    return command


@on_sqlite
@pytest.mark.parametrize(
    "command",
    [
        _command(CommandField=0x0001, Priority=2, AffectedSOPClassUID=CR),
        _command(CommandField=0x0001, Priority=2, AffectedSOPInstanceUID="1.2.3"),
        _command(CommandField=0x0150, RequestedSOPClassUID=CR, RequestedSOPInstanceUID="1.2.3"),
        _command(CommandField=0x8001, MessageIDBeingRespondedTo=1, Status=0),
    ],
    ids=["C-STORE without instance", "C-STORE without class", "N-DELETE", "a response"],
)
def test_what_is_no_request_that_we_serve_is_aborted_at_once(server: NodeServer, command: Dataset) -> None:
    """pynetdicom would say nothing, and the peer would wait for as long as it can."""
    sender = Sender(server.port, sop_classes=[CR])
    context_id = next(
        cx.context_id for cx in sender.association.accepted_contexts if cx.abstract_syntax == CR
    )
    sender.association.dul.socket.socket.sendall(_p_data(context_id, command))
    deadline = time.monotonic() + 5
    while not sender.association.is_aborted:
        assert time.monotonic() < deadline, "the node says nothing"
        time.sleep(0.01)
    sender.close()
    assert _is_taken(server.port)


@on_sqlite
@pytest.mark.parametrize(
    "fragment", [b"\x03", b"\x03\xff\x00garbage", b"\x03\x00\x00\x00\x01\x02\x00\x00\x00\xff\xff"]
)
def test_a_command_set_that_cannot_be_parsed_is_answered_with_an_abort(
    server: NodeServer, fragment: bytes
) -> None:
    sender = Sender(server.port)
    context_id = sender.association.accepted_contexts[0].context_id
    item = struct.pack(">LB", len(fragment) + 1, context_id) + fragment
    sender.association.dul.socket.socket.sendall(struct.pack(">BBL", 4, 0, len(item)) + item)
    deadline = time.monotonic() + 5
    while not sender.association.is_aborted:
        assert time.monotonic() < deadline, "the node says nothing"
        time.sleep(0.01)
    sender.close()
    assert _is_taken(server.port)
