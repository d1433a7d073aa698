"""When something is at the PACS: asked by C-FIND, or seen by a PACS that remembers."""

import time
from types import TracebackType
from typing import Protocol, Self

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from benchmarks.turnaround.studies import TimedStudy
from dicom_node import dimse
from dicom_node.domain.delivery import Destination
from tests.peers.pacs import Pacs

_ASK_EVERY_S = 0.01


class Arrival(Protocol):
    """Tells when the result of a study is at the PACS."""

    def wait(self, study: TimedStudy, within_s: float) -> float | None:
        """Return the monotonic time at which it was there; None when it did not come in time."""
        ...


class ReportFound:
    """Asks Orthanc for the study's series of structured reports; a context manager."""

    def __init__(self, pacs: Destination) -> None:
        self._pacs = pacs
        self._entity = AE("BENCHMARK")
        self._entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        self._association = self._associate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._association.is_established:
            self._association.release()

    def _associate(self) -> Association:
        association: Association = self._entity.associate(
            self._pacs.host,
            self._pacs.port,
            ae_title=self._pacs.ae_title,
            evt_handlers=[(evt.EVT_CONN_OPEN, dimse.set_nodelay)],
        )
        if not association.is_established:
            raise SystemExit(f"{self._pacs} takes no C-FIND")
        return association

    def wait(self, study: TimedStudy, within_s: float) -> float | None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self._is_there(study):
                return time.monotonic()
            time.sleep(_ASK_EVERY_S)
        return None

    def _is_there(self, study: TimedStudy) -> bool:
        """Ask at SERIES level (PS3.4 C.6.2.1)."""
        query = Dataset()
        query.QueryRetrieveLevel, query.Modality, query.SeriesInstanceUID = "SERIES", "SR", ""
        query.StudyInstanceUID = study.study_instance_uid
        if not self._association.is_established:  # Orthanc ends one that was idle for 30 s
            self._association = self._associate()
        answers = list(self._association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind))
        if not answers or answers[-1][0].get("Status") != 0:
            raise SystemExit(f"{self._pacs} does not answer C-FIND")
        return any(identifier is not None for _, identifier in answers)


class OriginalsSeen:
    """Looks into a PACS of ours for the instances that were sent to the router."""

    def __init__(self, pacs: Pacs) -> None:
        self._pacs = pacs

    def wait(self, study: TimedStudy, within_s: float) -> float | None:
        wanted = set(study.sop_instance_uids)
        try:
            received = self._pacs.wait_for(
                lambda seen: wanted <= {one.sop_instance_uid for one in seen}, within_s
            )
        except AssertionError:
            return None
        return max(one.monotonic for one in received if one.sop_instance_uid in wanted)
