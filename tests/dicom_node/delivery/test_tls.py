"""Associations over TLS: the peer must be who the routes say, and may ask who we are."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import DigitalXRayImageStorageForPresentation

from dicom_node.delivery.carriers import Parcel
from dicom_node.delivery.opening import open_carrier
from dicom_node.dimse import split_file_meta
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.routing.document import DicomDestination, DicomTls
from dicom_node.settings import Settings
from tests.peers.certificates import Authority, Certificate
from tests.peers.dcmtk import StoreScp
from tests.synthetic import studies


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Certificate:
    return authority.sign("pacs.test", "DNS:pacs.test")


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Certificate:
    return authority.sign("node.test", "DNS:node.test")


@pytest.fixture
def film(tmp_path: Path) -> Parcel:
    instance = split_file_meta(studies.write(studies.chest_film(study=91), tmp_path))
    return Parcel(
        path=instance.path,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        deidentify=False,
    )


@contextmanager
def tls_peer(authority: Authority, theirs: Certificate) -> Iterator[Destination]:
    """An SCP that asks for a certificate of the CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.certificate, theirs.key)
    context.load_verify_locations(authority.own.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    entity = AE("PACS")
    entity.add_supported_context(DigitalXRayImageStorageForPresentation)
    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        ssl_context=context,
        evt_handlers=[(evt.EVT_C_STORE, lambda _: 0x0000)],
    )
    try:
        yield Destination(ae_title=AETitle("PACS"), host="127.0.0.1", port=server.socket.getsockname()[1])
    finally:
        server.shutdown()


def tls(authority: Authority, client: Certificate | None, server_name: str = "pacs.test") -> DicomTls:
    return DicomTls(
        ca_file=str(authority.own.certificate),
        certificate_file="" if client is None else str(client.certificate),
        key_file="" if client is None else str(client.key),
        server_name=server_name,
    )


def send(film: Parcel, destination: Destination, security: DicomTls, tmp_path: Path) -> bool:
    profile = DicomDestination(address=destination, tls=security)
    carrier = open_carrier("pacs", profile, Settings(data_home=tmp_path))
    try:
        return carrier.send([film])[0].accepted
    finally:
        carrier.close()


def test_both_sides_show_who_they_are(
    authority: Authority, theirs: Certificate, ours: Certificate, film: Parcel, tmp_path: Path
) -> None:
    with tls_peer(authority, theirs) as destination:
        assert send(film, destination, tls(authority, ours), tmp_path)


def test_a_peer_of_another_name_gets_nothing(
    authority: Authority, theirs: Certificate, ours: Certificate, film: Parcel, tmp_path: Path
) -> None:
    with tls_peer(authority, theirs) as destination, pytest.raises(DestinationUnreachable, match="TLS"):
        send(film, destination, tls(authority, ours, server_name="other.test"), tmp_path)


def test_a_peer_of_another_authority_gets_nothing(
    authority: Authority, theirs: Certificate, film: Parcel, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "Stranger CA")
    with tls_peer(authority, theirs) as destination, pytest.raises(DestinationUnreachable):
        send(film, destination, tls(stranger, None), tmp_path)


def test_dcmtk_takes_what_comes_over_tls(
    authority: Authority, theirs: Certificate, ours: Certificate, film: Parcel, tmp_path: Path
) -> None:
    options = [
        *("+tls", str(theirs.key), str(theirs.certificate)),
        *("--add-cert-file", str(authority.own.certificate), "--require-peer-cert"),
    ]
    with StoreScp(tmp_path / "received", options=options) as peer:
        assert send(film, peer.destination, tls(authority, ours), tmp_path)
        assert len(peer.files) == 1


def test_a_certificate_that_is_not_there_is_a_refusal_with_its_path(
    authority: Authority, film: Parcel, tmp_path: Path
) -> None:
    nobody = Destination(ae_title=AETitle("PACS"), host="127.0.0.1", port=1)
    missing = DicomTls(ca_file=str(tmp_path / "missing.pem"))
    with pytest.raises(DeliveryRefused, match=r"missing\.pem: No such file"):
        send(film, nobody, missing, tmp_path)
