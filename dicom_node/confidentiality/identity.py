"""Pseudonyms and UIDs that only this installation can derive: the same original, the same replacement."""

import hashlib
import hmac
import os
import secrets
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudonyms:
    """Replacements under one secret; without it no replacement leads back to its original."""

    key: bytes = field(repr=False)

    def uid(self, original: str) -> str:
        """Return the UID that stands for another one, so that what belongs together stays linked."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', original)[:16], version=5).int}"

    def patient(self, patient_id: str) -> str:
        """Return the Patient ID that stands for another one: studies of one patient stay together."""
        return f"DN-{self._digest('patient', patient_id).hex()[:16].upper()}"

    def _digest(self, kind: str, original: str) -> bytes:
        return hmac.new(self.key, f"{kind}:{original}".encode(), hashlib.sha256).digest()


def pseudonyms_of(key_file: Path) -> Pseudonyms:
    """Return the pseudonyms of the installation; the secret is drawn when there is none yet.

    Processes that start at once agree: the file appears complete, and the first one stays.

    Raises
    ------
    OSError
        The file can be neither read nor made.
    ValueError
        It holds no key; another one must not be drawn, for what left before would no longer match.
    """
    if not key_file.exists():
        _draw(key_file)
    key = bytes.fromhex(key_file.read_text("ascii").strip())
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{key_file} holds no key of {_KEY_BYTES} bytes")
    return Pseudonyms(key=key)


def _draw(key_file: Path) -> None:
    part = key_file.with_name(f".{key_file.name}.{uuid.uuid4().hex}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first
            key_file.hardlink_to(part)
    finally:
        part.unlink()
