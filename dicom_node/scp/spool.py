"""The data set of a C-STORE, spooled to the archive's own file system as it comes from the network."""

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from typing_extensions import Buffer

from dicom_node.archive import Archive
from dicom_node.dimse import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.domain.identifiers import is_uid
from dicom_node.errors import DicomNodeError, InstanceRefused, OutOfResources, RefusalReason
from dicom_node.intake.admission import StoreCommand
from dicom_node.intake.reception import OfferedInstance

_SPACE_CHECKED_EVERY = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCommand:
    """A C-STORE request and between whom it is."""

    command: StoreCommand
    calling_ae_title: str
    called_ae_title: str


class SpooledDataSet(BytesIO):
    """A Part 10 file that grows with every fragment; stands where pynetdicom would keep the bytes in memory.

    pynetdicom writes from the network thread, where an exception would abort the association without a
    status. So what goes wrong is kept, the rest of the data set is dropped, and :meth:`offered` raises it
    when the C-STORE is answered.
    """

    def __init__(
        self,
        archive: Archive,
        read_command: Callable[[], OfferedCommand | None],
        most_in_memory: Callable[[], int],
    ) -> None:
        super().__init__()
        self._archive = archive
        self._read_command = read_command
        self._most_in_memory = most_in_memory
        self._in_memory = 0
        self._is_open = False
        self._part: Path | None = None
        self._file: FileIO | None = None
        self._command: StoreCommand | None = None
        self._failure: DicomNodeError | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._check_space_at = 0

    def write(self, fragment: Buffer, /) -> int:
        """Append a fragment of the encoded data set; never raises."""
        if not self._is_open:
            self._is_open = True
            self._open()
        length = memoryview(fragment).nbytes
        if self._file is not None:
            self._digest.update(fragment)
            self._append(fragment, length)
            self._size += length
        else:
            self._keep_in_memory(fragment, length)
        return length

    def finish(self) -> None:
        """Close the file: the last fragment has come."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def offered(self) -> OfferedInstance:
        """Hand the file over; from here on it is the caller's.

        Raises
        ------
        OutOfResources
            The file could not be written.
        InstanceRefused
            The command has no valid UIDs, or no data set came.
        """
        self.finish()
        if self._failure is not None:
            raise self._failure
        if self._part is None or self._command is None:
            raise InstanceRefused("", RefusalReason.TRUNCATED, "no data set")
        part, self._part = self._part, None
        return OfferedInstance(
            command=self._command, part=part, sha256=self._digest.hexdigest(), size=self._size
        )

    @property
    def is_held(self) -> bool:
        """Whether there is a file that was not handed over."""
        return self._part is not None

    def discard(self) -> None:
        """Remove the file unless it was handed over."""
        self.finish()
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None

    def _open(self) -> None:
        """Start the file with its File Meta Information (PS3.10 7.1)."""
        offered = self._read_command()
        if offered is None:  # not a C-STORE: nothing is kept on disk
            self._in_memory = self._most_in_memory()
            return
        self._command = offered.command
        if not is_uid(self._command.sop_instance_uid) or not is_uid(self._command.sop_class_uid):
            self._failure = InstanceRefused(
                self._command.sop_instance_uid[:64],
                RefusalReason.INVALID_UID,
                "Affected SOP Class or Instance UID",
            )
            return
        head = _part10_head(offered)
        try:
            self._part = self._archive.new_incoming()
            self._file = FileIO(self._part, "wb")
        except OSError as error:
            self._fail(OutOfResources(f"the archive cannot be written: {error.strerror}"))
            return
        self._append(head, len(head))

    def _keep_in_memory(self, fragment: Buffer, length: int) -> None:
        """Keep what is short enough; what is not is dropped whole, so that no part of it is taken for all."""
        if self.tell() + length <= self._in_memory:
            super().write(fragment)
            return
        self._in_memory = 0
        self.seek(0)
        self.truncate()

    def _append(self, content: Buffer, length: int) -> None:
        try:
            if self._size >= self._check_space_at:
                self._archive.check_free_space()
                self._check_space_at = self._size + _SPACE_CHECKED_EVERY
            if self._file is not None and self._file.write(content) != length:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._fail(OutOfResources(f"the archive cannot be written: {error.strerror}"))
        except OutOfResources as error:
            self._fail(error)

    def _fail(self, failure: DicomNodeError) -> None:
        self._failure = failure
        self.discard()


def _part10_head(offered: OfferedCommand) -> bytes:
    command, meta = offered.command, FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(command.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(command.sop_instance_uid)
    meta.TransferSyntaxUID = UID(command.transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    meta.SourceApplicationEntityTitle = offered.calling_ae_title
    meta.ReceivingApplicationEntityTitle = offered.called_ae_title
    head = DicomBytesIO()
    head.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(head, meta, enforce_standard=True)
    return head.getvalue()
