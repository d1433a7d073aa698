"""A PACS that refuses, delays, aborts and lies by the dice of a seed, and remembers what really happened."""

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification
from pynetdicom.transport import ThreadedAssociationServer

from dicom_node import dimse
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle

_DELAY_S = 1.5
_SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


class Mood(Enum):
    """What the peer does with one C-STORE."""

    HONEST = "keeps it and says so"
    SLOW = "keeps it and says so late"
    REFUSING = "answers 0xA700, out of resources"
    ABORTING = "aborts instead of keeping it"
    MUTE = "keeps it and aborts before it answers"
    LYING = "says that it keeps it and loses it, once an object"


_CHANCES = {
    Mood.HONEST: 0.55,
    Mood.SLOW: 0.07,
    Mood.REFUSING: 0.10,
    Mood.ABORTING: 0.08,
    Mood.MUTE: 0.08,
    Mood.LYING: 0.12,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One C-STORE as the peer saw it."""

    sop_instance_uid: str
    study_instance_uid: str
    modality: str
    digest: str
    """SHA-256 of the encoded data set."""
    mood: Mood
    began: float
    ended: float

    @property
    def is_kept(self) -> bool:
        return self.mood in {Mood.HONEST, Mood.SLOW, Mood.MUTE}


class HostilePacs:
    """A storage and query SCP on loopback or a private link; a context manager. Honest at first."""

    def __init__(self, seed: int, *, host: str = "127.0.0.1", ae_title: str = "HOSTILE") -> None:
        self._random = random.Random(seed)
        self._ae_title, self._host, self._port = ae_title, host, 0
        self._entity = AE(ae_title)
        self._entity.maximum_pdu_size = dimse.MAXIMUM_PDU_SIZE
        self._entity.maximum_associations = 50
        self._entity.add_supported_context(Verification)
        self._entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        for sop_class in dimse.SOP_CLASSES_READ + dimse.SOP_CLASSES_MADE:
            self._entity.add_supported_context(sop_class, _SYNTAXES)
        self._server: ThreadedAssociationServer | None = None
        self._lock = threading.Lock()
        self._lied_about: set[str] = set()
        self.arrivals: list[Arrival] = []
        self.is_hostile = False

    def __enter__(self) -> Self:
        self.come_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_down()

    @property
    def destination(self) -> Destination:
        return Destination(ae_title=AETitle(self._ae_title), host=self._host, port=self._port)

    def come_up(self) -> None:
        handlers = [
            (evt.EVT_CONN_OPEN, dimse.set_nodelay),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
        ]
        self._server = self._entity.start_server((self._host, self._port), block=False, evt_handlers=handlers)
        assert self._server is not None
        self._port = self._server.server_address[1]

    def go_down(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
            for association in self._entity.active_associations:
                association.abort()

    def reject_associations(self) -> None:
        """Reject every association as a local limit that will pass (PS3.8 Table 9-21: 2, 3, 2)."""
        self._entity.maximum_associations = 0

    def take_associations(self) -> None:
        self._entity.maximum_associations = 50

    @property
    def kept(self) -> dict[str, set[str]]:
        """SOP Instance UID to the digests of what was kept under it."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for arrival in self.arrivals:
                if arrival.is_kept:
                    found.setdefault(arrival.sop_instance_uid, set()).add(arrival.digest)
        return found

    def _mood_for(self, sop_instance_uid: str) -> Mood:
        if not self.is_hostile:
            return Mood.HONEST
        with self._lock:
            mood = self._random.choices(list(_CHANCES), list(_CHANCES.values()))[0]
            if mood is not Mood.LYING:
                return mood
            if sop_instance_uid in self._lied_about or any(
                one.sop_instance_uid == sop_instance_uid and one.is_kept for one in self.arrivals
            ):
                return Mood.HONEST
            self._lied_about.add(sop_instance_uid)
            return mood

    def _store(self, event: Event) -> int:
        began = time.monotonic()
        dataset = event.dataset
        mood = self._mood_for(str(dataset.SOPInstanceUID))
        if mood is Mood.SLOW:
            time.sleep(_DELAY_S)
        arrival = Arrival(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            study_instance_uid=str(dataset.StudyInstanceUID),
            modality=str(dataset.Modality),
            digest=hashlib.sha256(event.request.DataSet.getvalue()).hexdigest(),
            mood=mood,
            began=began,
            ended=time.monotonic(),
        )
        with self._lock:
            self.arrivals.append(arrival)
        if mood in {Mood.ABORTING, Mood.MUTE}:
            event.assoc.abort()
        return 0xA700 if mood is Mood.REFUSING else 0x0000

    def _find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        """Answer at IMAGE level for the study or the instances asked for (PS3.4 C.4.1)."""
        wanted = event.identifier
        uids = wanted.get("SOPInstanceUID") or []
        asked = {uids} if isinstance(uids, str) else set(uids)
        kept = self.kept
        with self._lock:
            held = {one.sop_instance_uid: one for one in self.arrivals if one.sop_instance_uid in kept}
        for uid, one in held.items():
            study = wanted.get("StudyInstanceUID", "")
            if (asked and uid not in asked) or (study and study != one.study_instance_uid):
                continue
            if wanted.get("Modality", "") not in {"", one.modality}:
                continue
            match = Dataset()
            match.QueryRetrieveLevel = "IMAGE"
            match.StudyInstanceUID, match.SOPInstanceUID = one.study_instance_uid, uid
            match.SeriesInstanceUID = wanted.get("SeriesInstanceUID", "")
            match.Modality = one.modality
            yield 0xFF00, match
