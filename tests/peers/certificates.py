"""A certificate authority of a test, made with the openssl program: nothing here outlives the test."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers.programs import require


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate and its private key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A self-signed CA that signs what it is asked for."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.own = Certificate(certificate=folder / "ca.pem", key=folder / "ca.key")
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", self.own.key, "-out", self.own.certificate, "-days", "2", "-subj", f"/CN={name}"),
        )

    def sign(self, host: str, alternative: str) -> Certificate:
        """Return a certificate for a host; ``alternative`` as ``IP:127.0.0.1`` or ``DNS:pacs``."""
        made = Certificate(certificate=self._folder / f"{host}.pem", key=self._folder / f"{host}.key")
        request, extension = self._folder / f"{host}.csr", self._folder / f"{host}.ext"
        extension.write_text(f"subjectAltName={alternative}\n")
        self._openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-keyout", made.key, "-out", request),
            *("-subj", f"/CN={host}"),
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.own.certificate, "-CAkey", self.own.key),
            *("-CAcreateserial", "-out", made.certificate, "-days", "2", "-extfile", extension),
        )
        return made

    def _openssl(self, *arguments: object) -> None:
        command = [str(require("openssl")), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
