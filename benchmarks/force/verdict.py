"""What is left after the chaos: lost, doubled, not ended, and how long it took to recover."""

import hashlib
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pydicom
import sqlalchemy as sa

from benchmarks.force.hostile import HostilePacs
from benchmarks.force.sender import Sending
from benchmarks.force.site import Site
from dicom_node import dimse

_OPEN = "('READY', 'QUEUED', 'RUNNING')"
_LOOK_EVERY_S = 0.2
_LONG_FORM = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
"""Value Representations with a length of four bytes (PS3.5 Table 7.1-1)."""
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class Object:
    """An instance that a PACS holds."""

    sop_instance_uid: str
    study_instance_uid: str
    modality: str
    digest: str


@dataclass(slots=True)
class Verdict:
    """The figures of one run; all of those in ``failures`` must be 0."""

    failures: dict[str, int] = field(default_factory=dict)
    figures: dict[str, object] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    recovery_s: list[float] = field(default_factory=list)
    """Of every study that had not ended when the last fault was over."""
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not any(self.failures.values())

    def percentile(self, share: float) -> float:
        """Return the recovery time that such a share of the studies did not exceed; 0 when none had any."""
        times = sorted(self.recovery_s)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


class Watch:
    """Looks at the node's own database from outside."""

    def __init__(self, site: Site) -> None:
        self._engine = sa.create_engine(site.database_url, poolclass=sa.NullPool)

    def rows(self, statement: str) -> list[sa.Row[tuple[object, ...]]]:
        with self._engine.connect() as connection:
            return list(connection.execute(sa.text(statement)).all())

    def ended(self) -> set[str]:
        """Return the studies that are DONE or AMENDED with nothing left to do."""
        rows = self.rows(
            "SELECT study_instance_uid FROM studies WHERE state IN ('DONE', 'AMENDED') AND NOT EXISTS"
            f" (SELECT 1 FROM jobs WHERE jobs.study_id = studies.id AND jobs.state IN {_OPEN})"
        )
        return {str(row[0]) for row in rows}


def wait_for_all(site: Site, sending: Sending, over_at: float, within_s: float) -> dict[str, float]:
    """Return when each acknowledged study ended, seen from outside; those that do not in time are missing."""
    watch, wanted, seen = Watch(site), {one.study_instance_uid for one in sending.studies}, {}
    first = True
    while wanted - seen.keys() and time.monotonic() < over_at + within_s:
        try:
            ended = watch.ended()
        except sa.exc.OperationalError:
            ended = set()
        now = over_at if first else time.monotonic()  # these had ended before
        first = False
        for study in ended & wanted:
            seen.setdefault(study, now)
        time.sleep(_LOOK_EVERY_S)
    return seen


def judge(site: Site, sending: Sending, ended: dict[str, float], over_at: float) -> Verdict:
    """Compare ledger, database, archive and PACSs."""
    verdict, watch = Verdict(), Watch(site)
    studies = {one.study_instance_uid for one in sending.studies}
    verdict.failures["studies never acknowledged"] = len(studies - sending.released_at.keys())
    verdict.failures["acknowledged instances lost"] = len(_lost(site, sending, watch, verdict))
    verdict.failures["studies not ended"] = len(sending.released_at.keys() - ended.keys())
    _count_results(watch, studies, verdict)
    _count_at_pacs(site, watch, verdict)
    for study, at in ended.items():
        since = max(over_at, sending.released_at.get(study, over_at))
        if at > over_at:
            verdict.recovery_s.append(max(0.0, at - since))
    verdict.figures.update(
        {
            "studies": len(studies),
            "instances acknowledged": len(set(sending.ledger.acknowledged())),
            "C-STOREs of the sender": sending.calls,
            "studies not ended at the last fault": len(verdict.recovery_s),
        }
    )
    return verdict


def _lost(site: Site, sending: Sending, watch: Watch, verdict: Verdict) -> list[str]:
    """Return what was answered with Success and is not there, or is not what was sent."""
    rows = watch.rows("SELECT sop_instance_uid, path, sha256 FROM instances")
    kept = {str(row[0]): (str(row[1]), str(row[2])) for row in rows}
    sent = {uid: path for study in sending.studies for uid, path in study.paths.items()}
    lost = []
    for uid in set(sending.ledger.acknowledged()):
        if uid not in kept:
            lost.append(uid)
            continue
        path, digest = site.node.home / "archive" / kept[uid][0], kept[uid][1]
        content = _data_set(path) if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != digest or content != _data_set(sent[uid]):
            lost.append(uid)
    verdict.examples += [f"lost {uid}" for uid in lost[:3]]
    return lost


def _data_set(path: Path) -> bytes:
    return path.read_bytes()[dimse.split_file_meta(path).offset :]


def _count_results(watch: Watch, studies: set[str], verdict: Verdict) -> None:
    """Count what is not exactly one result a study and model version."""
    rows = watch.rows(
        "SELECT studies.study_instance_uid, analyses.state, models.name FROM studies"
        " LEFT JOIN analyses ON analyses.study_id = studies.id"
        " LEFT JOIN models ON models.id = analyses.model_id"
    )
    results = Counter((str(row[0]), str(row[2])) for row in rows if row[1] == "COMPLETED")
    unread = Counter(str(row[1]) for row in rows if row[1] != "COMPLETED" and str(row[0]) in studies)
    read = {study for study, _ in results}
    verdict.failures["studies without a result"] = len(studies - read)
    verdict.failures["studies with a second result of a model"] = sum(n > 1 for n in results.values())
    verdict.figures["results"] = sum(results.values())
    verdict.figures["studies amended"] = len(watch.rows("SELECT 1 FROM studies WHERE state = 'AMENDED'"))
    if unread:
        verdict.figures["analyses otherwise ended"] = dict(unread)
    states = watch.rows("SELECT state, count(*) FROM deliveries GROUP BY state")
    verdict.figures["deliveries"] = {str(row[0]): row[1] for row in states}
    verdict.failures["dead letters"] = sum(
        int(str(row[1])) for row in states if row[0] in {"REFUSED", "EXHAUSTED"}
    )


def _count_at_pacs(site: Site, watch: Watch, verdict: Verdict) -> None:
    """Compare what each PACS holds with the one report and one heat map of every result."""
    rows = watch.rows(
        "SELECT outputs.sop_instance_uid FROM outputs"
        " JOIN analyses ON analyses.id = outputs.analysis_id WHERE analyses.state = 'COMPLETED'"
    )
    wanted = {str(row[0]) for row in rows}
    held = {
        "Orthanc": orthanc_objects(site),
        "hostile": hostile_objects(site.peers.hostile),
        "storescp": storescp_objects(site.peers.storescp.folder),
    }
    missing = doubled = 0
    for name, objects in held.items():
        contents: dict[str, set[str]] = {}
        for one in objects:
            contents.setdefault(one.sop_instance_uid, set()).add(one.digest)
        absent = wanted - contents.keys()
        missing += len(absent)
        verdict.examples += [f"{name} lacks {uid}" for uid in sorted(absent)[:2]]
        kinds = Counter((one.study_instance_uid, one.modality) for one in set(objects))
        doubled += sum(count - 1 for count in kinds.values()) + len(contents.keys() - wanted)
    verdict.failures["results missing at a PACS"] = missing
    verdict.failures["results doubled at a PACS"] = doubled
    arrivals = site.peers.hostile.arrivals
    verdict.failures["sent twice at the same time"] = overlaps(site.peers.hostile)
    verdict.figures["hostile PACS"] = dict(Counter(one.mood.name for one in arrivals))


def orthanc_objects(site: Site) -> list[Object]:
    """Return what Orthanc holds; it stores a SOP Instance UID once."""
    orthanc = site.peers.orthanc
    return [_object(orthanc.file(identifier)) for identifier in orthanc.instances()]


def hostile_objects(hostile: HostilePacs) -> list[Object]:
    """Return every kept arrival at the hostile PACS."""
    return [
        Object(one.sop_instance_uid, one.study_instance_uid, one.modality, one.digest)
        for one in hostile.arrivals
        if one.is_kept
    ]


def storescp_objects(folder: Path) -> list[Object]:
    """Return every file that storescp finished; it was killed in the middle of others."""
    return [_object(path.read_bytes()) for path in folder.iterdir() if _is_complete(path)]


def _is_complete(path: Path) -> bool:
    """Walk the top level of an Explicit VR Little Endian data set: does it end where the file ends."""
    try:
        at = dimse.split_file_meta(path).offset
    except ValueError:
        return False
    content = path.read_bytes()
    while at + 8 <= len(content):
        is_long = content[at + 4 : at + 6] in _LONG_FORM
        start = at + (12 if is_long else 8)
        length = int.from_bytes(content[start - 4 : start] if is_long else content[at + 6 : at + 8], "little")
        if length == 0xFFFFFFFF:
            return content.endswith(_SEQUENCE_END)
        at = start + length
    return at == len(content)


def _object(part10: bytes) -> Object:
    dataset = pydicom.dcmread(BytesIO(part10))
    pixels = dataset.get("PixelData", b"")
    content = json.dumps([str(element) for element in dataset if element.tag != 0x7FE00010])
    return Object(
        str(dataset.SOPInstanceUID),
        str(dataset.StudyInstanceUID),
        str(dataset.Modality),
        hashlib.sha256(content.encode() + bytes(pixels)).hexdigest(),
    )


def overlaps(hostile: HostilePacs) -> int:
    """Count C-STOREs of an object that began while another of the same object had not ended."""
    by_uid: dict[str, list[tuple[float, float]]] = {}
    for one in hostile.arrivals:
        by_uid.setdefault(one.sop_instance_uid, []).append((one.began, one.ended))
    return sum(
        later[0] < earlier[1]
        for spans in by_uid.values()
        for earlier, later in itertools.pairwise(sorted(spans))
    )
