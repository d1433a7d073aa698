"""The archive: Part 10 files, written once, synced before anyone is told."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_node.domain.identifiers import is_uid
from dicom_node.errors import ArchiveCorrupted, OutOfResources

_CHUNK = 1 << 20


class Archive:
    """A folder of Part 10 files named by SOP Instance UID and content digest.

    The same content again is the same file; another content under the same UID is another file, so that no
    writer, not even one that lost its lease, can change bytes that the database already refers to.
    """

    def __init__(self, root: Path, *, minimum_free_bytes: int = 0) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self._minimum_free_bytes = minimum_free_bytes
        self.incoming.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (root / f"{number:02x}").mkdir(exist_ok=True)
        _sync_folder(root)

    def new_incoming(self) -> Path:
        """Return the path of a new temporary file on the archive's own file system."""
        return self.incoming / f"{uuid.uuid4().hex}.part"

    def check_free_space(self) -> None:
        """Raise :class:`OutOfResources` when less than the configured space is left."""
        if shutil.disk_usage(self.root).free < self._minimum_free_bytes:
            raise OutOfResources("the archive has less free space than the configured minimum")

    def adopt(self, part: Path, sop_instance_uid: str, sha256: str) -> str:
        """Make a complete temporary file durable under its final name and return that, relative to the root.

        Synced file, rename, synced folder. The temporary file is gone afterwards, also on an error.

        Raises
        ------
        OutOfResources
            No space is left, or the file system refuses to write: nothing is kept.
        """
        relative = self._relative_path(sop_instance_uid, sha256)
        with _out_of_resources(), _gone_afterwards(part):
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.rename(self.root / relative)
            _sync_folder((self.root / relative).parent)
        return relative

    def holds(self, sop_instance_uid: str, sha256: str) -> bool:
        """Tell whether a file of this content already lies under this SOP Instance UID."""
        return (self.root / self._relative_path(sop_instance_uid, sha256)).is_file()

    def put(self, sop_instance_uid: str, content: bytes) -> tuple[str, str]:
        """Store the content durably; return its path relative to the root and its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        part = self.new_incoming()
        with _out_of_resources(), _gone_afterwards(part):
            part.write_bytes(content)
            return self.adopt(part, sop_instance_uid, sha256), sha256

    def path(self, relative: str) -> Path:
        """Return where the file lies.

        Raises
        ------
        ArchiveCorrupted
            It is not there.
        """
        path = self.root / relative
        if not path.is_file():
            raise ArchiveCorrupted(f"{relative} is missing from the archive")
        return path

    def discard(self, relative: str) -> None:
        """Remove a file that no row refers to."""
        (self.root / relative).unlink(missing_ok=True)

    def verified(self, relative: str, sha256: str) -> Path:
        """Return where the file lies, after checking that the whole file still has its digest.

        For outputs, whose digest is of the whole file; raises :class:`ArchiveCorrupted`.
        """
        path = self.path(relative)
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != sha256:
            raise ArchiveCorrupted(f"{relative} no longer has the digest that was recorded")
        return path

    def remove_leftovers(self) -> int:
        """Remove temporary files of receptions that died; call before receiving starts."""
        leftovers = list(self.incoming.iterdir())
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        return len(leftovers)

    def _relative_path(self, sop_instance_uid: str, sha256: str) -> str:
        if not is_uid(sop_instance_uid):
            raise ValueError("not a UID")
        folder = hashlib.sha256(sop_instance_uid.encode("ascii")).hexdigest()[:2]
        return f"{folder}/{sop_instance_uid}-{sha256[:16]}.dcm"


@contextmanager
def _out_of_resources() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutOfResources(f"the archive cannot be written: {error.strerror}") from error


@contextmanager
def _gone_afterwards(part: Path) -> Iterator[None]:
    try:
        yield
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
