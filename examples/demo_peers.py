"""Who gets the results in the demo: a small PACS on pynetdicom, or a real Orthanc."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydicom import dcmread

from dicom_node.domain.delivery import Destination
from tests.peers.orthanc import Orthanc, running_orthanc
from tests.peers.pacs import Pacs


class Receiver(Protocol):
    """A PACS that the demo can ask for what it holds."""

    title: str
    destination: Destination

    def results(self, study_instance_uid: str) -> list[Path]:
        """Return the files of the study that it received, SC first."""
        ...

    def arrived(self, path: Path) -> datetime:
        """Return when the file came."""
        ...


@dataclass(slots=True)
class _FolderReceiver:
    title: str
    destination: Destination
    folder: Path

    def results(self, study_instance_uid: str) -> list[Path]:
        found = [
            path
            for path in sorted(self.folder.glob("*.dcm"))
            if dcmread(path, stop_before_pixels=True).StudyInstanceUID == study_instance_uid
        ]
        return sorted(found, key=lambda path: path.stat().st_mtime)

    def arrived(self, path: Path) -> datetime:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
