"""Who gets the results in the demo: a small PACS on pynetdicom, or a real Orthanc."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Protocol

import pytest
from pydicom import dcmread

from dicom_node.domain.delivery import Destination
from tests.peers.orthanc import Orthanc
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
class PynetdicomReceiver:
    """The small PACS, which writes what it gets into a folder."""

    pacs: Pacs
    folder: Path
    title: str = "a small PACS on pynetdicom"

    @property
    def destination(self) -> Destination:
        """Where it listens."""
        return self.pacs.destination

    def results(self, study_instance_uid: str) -> list[Path]:
        """Return the files of the study that it received, in the order of arrival."""
        kept = [one for one in self.pacs.kept if one.dataset().StudyInstanceUID == study_instance_uid]
        return [self.folder / f"{one.sop_instance_uid}.dcm" for one in kept]

    def arrived(self, path: Path) -> datetime:
        """Return when the file came."""
        return next(one.at for one in self.pacs.kept if one.sop_instance_uid == path.stem)


@dataclass(slots=True)
class OrthancReceiver:
    """A real Orthanc; what it holds is fetched from it and kept in a folder for looking at."""

    orthanc: Orthanc
    folder: Path
    title: str = "a real Orthanc"
    _arrived: dict[str, datetime] = field(default_factory=dict)

    @property
    def destination(self) -> Destination:
        """Where it listens."""
        return self.orthanc.destination

    def results(self, study_instance_uid: str) -> list[Path]:
        """Return the files of the study that it received, in the order of arrival."""
        found = []
        for identifier in self.orthanc.instances():
            content = self.orthanc.rest(f"/instances/{identifier}/file")
            dataset = dcmread(BytesIO(content), stop_before_pixels=True)
            if dataset.StudyInstanceUID != study_instance_uid:
                continue
            path = self.folder / f"{dataset.SOPInstanceUID}.dcm"
            path.write_bytes(content)
            came = self.orthanc.rest(f"/instances/{identifier}/metadata/ReceptionDate").decode()
            self._arrived[path.stem] = datetime.strptime(came, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            found.append((dataset.Modality == "SR", path))
        return [path for _, path in sorted(found)]

    def arrived(self, path: Path) -> datetime:
        """Return when the file came, to the second that Orthanc keeps."""
        return self._arrived[path.stem]


@contextmanager
def pynetdicom_receiver(folder: Path) -> Iterator[Receiver]:
    """Run the small PACS for a while."""
    folder.mkdir(parents=True, exist_ok=True)
    with Pacs(folder=folder) as pacs:
        yield PynetdicomReceiver(pacs, folder)


@contextmanager
def orthanc_receiver(folder: Path) -> Iterator[Receiver]:
    """Run a real Orthanc for a while, in a network namespace of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        orthanc_here = Orthanc()
    except pytest.skip.Exception as reason:
        raise SystemExit(f"no Orthanc here: {reason}") from None
    with orthanc_here as orthanc:
        yield OrthancReceiver(orthanc, folder)
