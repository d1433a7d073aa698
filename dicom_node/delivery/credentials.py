"""Certificates and secrets of Destinations, read from the files that the routes name."""

import ssl
from pathlib import Path

from dicom_node.errors import DeliveryRefused
from dicom_node.routing.document import DicomTls


def tls_context(name: str, tls: DicomTls) -> ssl.SSLContext:
    """Return the TLS client of a Destination: its peer is checked against the named CA alone.

    TLS 1.2 or newer, after the BCP 195 profile (PS3.15 B.9); the peer's host name is checked.

    Raises
    ------
    DeliveryRefused
        A file cannot be read or holds no certificate or key.
    """
    context = trusting(name, tls.ca_file)
    if tls.certificate_file:
        try:
            context.load_cert_chain(tls.certificate_file, tls.key_file or None)
        except (OSError, ssl.SSLError) as error:
            raise DeliveryRefused(f"{name}: {tls.certificate_file}: {_words(error)}") from error
    return context


def trusting(name: str, ca_file: str) -> ssl.SSLContext:
    """Return a TLS client that trusts the CA of a file alone; see :func:`tls_context`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryRefused(f"{name}: {ca_file}: {_words(error)}") from error
    return context


def secret(name: str, path: str) -> str:
    """Return the secret in a file, without the line's end.

    Raises
    ------
    DeliveryRefused
        The file cannot be read, or is empty.
    """
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryRefused(f"{name}: {path}: {_words(error)}") from error
    if not text:
        raise DeliveryRefused(f"{name}: {path} is empty")
    return text


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or type(error).__name__)
