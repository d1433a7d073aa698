"""C-STORE with real peers: what is kept, what is refused, what is answered and audited."""

import csv
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from dicom_node.database import studies
from dicom_node.dimse import split_file_meta
from dicom_node.domain.audit import Action, AuditEvent, Outcome
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import RefusalReason
from dicom_node.resources import Resources
from dicom_node.results.provenance import MANUFACTURER
from dicom_node.scp.server import NodeServer
from dicom_node.scp.storage import STATUS_OF_REFUSAL
from tests.peers import dcmtk
from tests.peers.sender import IMPLICIT, Sender, encoded_data_set
from tests.synthetic.studies import JAPANESE_NAME, chest_film, compressed, ct_series, enhanced_ct, write

Audited = Callable[..., list[AuditEvent]]
Archived = Callable[[], list[str]]

MR = "1.2.840.10008.5.1.4.1.1.4"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def stored_bytes(resources: Resources, study_instance_uid: str) -> list[bytes]:
    """Return the encoded data sets of the study as they lie in the archive."""
    with resources.database.read() as session:
        instances = studies.instances_of(session, study_instance_uid)
    paths = [resources.archive.path(instance.path) for instance in instances]
    return [path.read_bytes()[split_file_meta(path).offset :] for path in paths]


def test_an_instance_is_kept_as_its_sender_encoded_it(
    server: NodeServer, resources: Resources, audited: Audited
) -> None:
    film = chest_film(
        PatientName=JAPANESE_NAME, SpecificCharacterSet=["", "ISO 2022 IR 87", "ISO 2022 IR 13"]
    )
    encoded = encoded_data_set(film)
    with Sender(server.port) as sender:
        assert sender.send(film).Status == 0x0000
    assert stored_bytes(resources, film.StudyInstanceUID) == [encoded]
    with resources.database.read() as session:
        (instance,) = studies.instances_of(session, film.StudyInstanceUID)
        study = studies.find_study(session, film.StudyInstanceUID)
    assert instance.sha256 == hashlib.sha256(encoded).hexdigest()
    assert instance.size == len(encoded)
    assert study is not None
    assert study.patient_name == JAPANESE_NAME
    assert (study.patient_id, study.modality) == (film.PatientID, "DX")
    meta = pydicom.dcmread(resources.archive.path(instance.path), stop_before_pixels=True).file_meta
    assert meta.MediaStorageSOPInstanceUID == film.SOPInstanceUID
    assert meta.SourceApplicationEntityTitle == "MODALITY"
    (event,) = audited(Action.INSTANCE_RECEIVED)
    assert (event.actor, event.subject) == ("MODALITY", film.SOPInstanceUID)
    assert event.patient_id == film.PatientID


def test_odd_bytes_of_a_sender_are_not_made_canonical(server: NodeServer, resources: Resources) -> None:
    film = chest_film()
    odd = _with_undefined_length_sequence(encoded_data_set(film))
    with Sender(server.port) as sender:
        uids = {"sop_class_uid": film.SOPClassUID, "sop_instance_uid": film.SOPInstanceUID}
        assert sender.send_bytes(odd, **uids).Status == 0x0000
    assert stored_bytes(resources, film.StudyInstanceUID) == [odd]


def _with_undefined_length_sequence(encoded: bytes) -> bytes:
    """A private sequence of undefined length with a nested item, before the pixel data."""
    at = encoded.index(b"\xe0\x7f\x10\x00")
    private = (
        b"\xdf\x7f\x10\x00LO\x04\x00ODD "
        + b"\xdf\x7f\x01\x10SQ\0\0\xff\xff\xff\xff"
        + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
        + b"\xfe\xff\x0d\xe0\0\0\0\0"
        + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )
    return encoded[:at] + private + encoded[at:]


@pytest.mark.parametrize(
    "make", [chest_film, enhanced_ct, lambda: ct_series(slices=1)[0], lambda: chest_film(modality="CR")]
)
def test_each_sop_class_that_the_node_reads_is_taken(server: NodeServer, make: Callable[[], Dataset]) -> None:
    with Sender(server.port) as sender:
        assert sender.send(make()).Status == 0x0000


def test_implicit_vr_is_taken(server: NodeServer, resources: Resources) -> None:
    film = compressed(chest_film(), IMPLICIT)
    with Sender(server.port, transfer_syntax=IMPLICIT) as sender:
        assert sender.send(film).Status == 0x0000
    assert stored_bytes(resources, film.StudyInstanceUID) == [encoded_data_set(film)]


def test_dcmtk_sends_films_and_slices_as_they_are(
    server: NodeServer, resources: Resources, tmp_path: Path, audited: Audited
) -> None:
    datasets = [compressed(chest_film(), RLELossless), *ct_series(slices=3)]
    paths = [write(dataset, tmp_path / f"{index}.dcm") for index, dataset in enumerate(datasets)]
    node = Destination(ae_title=AETitle("DICOM_NODE"), host="127.0.0.1", port=server.port)
    assert dcmtk.echoscu(node).returncode == 0
    sent = dcmtk.dcmsend(paths, node)
    assert sent.returncode == 0, sent.stdout
    assert [event.actor for event in audited(Action.INSTANCE_RECEIVED)] == ["DCMSEND"] * 4
    with resources.database.read() as session:
        (film,) = studies.instances_of(session, datasets[0].StudyInstanceUID)
    assert film.transfer_syntax_uid == RLELossless
    again = dcmtk.storescu(paths[1:], node)
    assert again.returncode == 0, again.stdout
    assert len(audited(Action.INSTANCE_DUPLICATE)) == 3, "DCMTK's two programs encode alike"


def _sample_in_every_syntax() -> list[Any]:
    """A chest CT slice of the shared data in sixteen Transfer Syntaxes."""
    root = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("DICOM_NODE_DATA_DIR") or root)
    if not (folder / "dicom.csv").is_file():
        reason = "no real images: set DICOM_NODE_DATA_DIR"
        return [pytest.param(folder, marks=pytest.mark.skip(reason=reason))]
    with (folder / "dicom.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "chestct_all_ts" in row["file"]]
    return [folder / row["file"] for row in rows]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", _sample_in_every_syntax(), ids=lambda path: path.name[12:40])
def test_a_real_slice_comes_in_by_each_syntax_that_is_decoded(
    server: NodeServer, resources: Resources, path: Path, transfer_syntaxes: tuple[str, ...]
) -> None:
    meta = split_file_meta(path)
    encoded = path.read_bytes()[meta.offset :]
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    sender = Sender(server.port, sop_classes=[meta.sop_class_uid], transfer_syntax=meta.transfer_syntax_uid)
    with sender:
        accepted = [context.abstract_syntax for context in sender.association.accepted_contexts]
        assert (meta.sop_class_uid in accepted) == (meta.transfer_syntax_uid in transfer_syntaxes)
        if meta.sop_class_uid not in accepted:
            return
        uids = {"sop_class_uid": meta.sop_class_uid, "sop_instance_uid": meta.sop_instance_uid}
        assert sender.send_bytes(encoded, **uids).Status == 0x0000
    assert stored_bytes(resources, dataset.StudyInstanceUID) == [encoded]


def test_the_same_content_again_is_success_and_nothing_happens(
    server: NodeServer, resources: Resources, audited: Audited, archived: Archived
) -> None:
    film = chest_film()
    for calling in ("MODALITY", "PACS"):
        with Sender(server.port, calling=calling) as sender:
            assert sender.send(film).Status == 0x0000
    assert len(archived()) == 1
    assert len(stored_bytes(resources, film.StudyInstanceUID)) == 1
    assert [event.actor for event in audited(Action.INSTANCE_DUPLICATE)] == ["PACS"]


def test_another_content_under_a_known_uid_is_a_conflict(
    server: NodeServer, resources: Resources, audited: Audited, archived: Archived
) -> None:
    film = chest_film()
    with Sender(server.port) as sender:
        assert sender.send(film).Status == 0x0000
        refused = sender.send(chest_film(SeriesDescription="ANOTHER"))
    assert refused.Status == 0x0111
    assert refused.ErrorComment.startswith("another content")
    assert stored_bytes(resources, film.StudyInstanceUID) == [encoded_data_set(film)]
    assert len(archived()) == 1
    (event,) = audited(Action.INSTANCE_CONFLICT)
    assert (event.subject, event.outcome) == (film.SOPInstanceUID, Outcome.SERIOUS_FAILURE)
    assert event.study_instance_uid == film.StudyInstanceUID


def test_another_patient_in_a_known_study_is_refused(
    server: NodeServer, audited: Audited, archived: Archived
) -> None:
    with Sender(server.port) as sender:
        assert sender.send(chest_film(number=1)).Status == 0x0000
        refused = sender.send(chest_film(number=2, PatientID="SOMEBODY ELSE"))
    assert refused.Status == 0xC001
    assert "Patient ID" in refused.ErrorComment
    assert "SOMEBODY" not in refused.ErrorComment
    assert len(archived()) == 1
    (event,) = audited(Action.INSTANCE_REFUSED)
    assert event.detail["reason"] == RefusalReason.PATIENT_MISMATCH.value


def _cut_in_header() -> bytes:
    return encoded_data_set(chest_film())[:300]


def _cut_in_pixels() -> bytes:
    return encoded_data_set(chest_film())[:-1000]


def _cut_in_fragments() -> bytes:
    return encoded_data_set(compressed(chest_film(), JPEG2000Lossless))[:-1000]


def _without_delimiter() -> bytes:
    return encoded_data_set(compressed(chest_film(), JPEG2000Lossless))[:-8]


def _short_pixels() -> bytes:
    return encoded_data_set(chest_film(Rows=512))


def _without_pixels() -> bytes:
    film = chest_film()
    del film.PixelData
    return encoded_data_set(film)


@pytest.mark.parametrize(
    ("data_set", "transfer_syntax"),
    [
        (_cut_in_header, "1.2.840.10008.1.2.1"),
        (_cut_in_pixels, "1.2.840.10008.1.2.1"),
        (_short_pixels, "1.2.840.10008.1.2.1"),
        (_without_pixels, "1.2.840.10008.1.2.1"),
        (lambda: os.urandom(5000), "1.2.840.10008.1.2.1"),
        (lambda: b"\xff" * 5000, IMPLICIT),
        (_cut_in_fragments, JPEG2000Lossless),
        (_without_delimiter, JPEG2000Lossless),
    ],
)
def test_a_truncated_data_set_is_refused(
    server: NodeServer,
    audited: Audited,
    archived: Archived,
    data_set: Callable[[], bytes],
    transfer_syntax: str,
) -> None:
    film = chest_film()
    with Sender(server.port, transfer_syntax=transfer_syntax) as sender:
        uids = {"sop_class_uid": film.SOPClassUID, "sop_instance_uid": film.SOPInstanceUID}
        refused = sender.send_bytes(data_set(), **uids)
        assert sender.association.send_c_echo().Status == 0x0000, "the association goes on"
    assert refused.Status == 0xC000
    assert archived() == []
    (event,) = audited(Action.INSTANCE_REFUSED)
    assert event.subject == film.SOPInstanceUID


@pytest.mark.parametrize(
    ("dataset", "command", "status"),
    [
        (lambda: chest_film(SOPClassUID=MR), {"sop_class_uid": MR}, 0x0122),
        (lambda: chest_film(modality="CR"), {"sop_class_uid": chest_film().SOPClassUID}, 0xA900),
        (chest_film, {"sop_instance_uid": "1.2.3.4"}, 0xA900),
        (lambda: chest_film(StudyInstanceUID=""), {}, 0xC000),
        (lambda: chest_film(SeriesInstanceUID=None), {}, 0xC000),
        (lambda: chest_film(Manufacturer=MANUFACTURER), {}, 0xC002),
    ],
    ids=["wrong SOP class", "other SOP class", "other UID", "empty UID", "missing UID", "own output"],
)
def test_a_data_set_that_is_not_what_the_command_says_is_refused(
    server: NodeServer,
    audited: Audited,
    archived: Archived,
    dataset: Callable[[], Dataset],
    command: dict[str, str],
    status: int,
) -> None:
    film_context = str(chest_film().SOPClassUID)
    with Sender(server.port) as sender:
        refused = sender.send(dataset(), **command, context=film_context)
    assert refused.Status == status, hex(refused.Status)
    assert refused.ErrorComment
    assert archived() == []
    (event,) = audited(Action.INSTANCE_REFUSED)
    assert event.actor == "MODALITY"
    assert event.outcome is Outcome.SERIOUS_FAILURE


def test_a_hostile_uid_reaches_no_path(server: NodeServer, resources: Resources, archived: Archived) -> None:
    film = chest_film()
    for uid in ("../../../etc/passwd", "1.2.3/..", "a" * 60, "1..2"):
        with Sender(server.port) as sender:
            response = sender.send(film, sop_instance_uid=uid)
            assert response.Status in {0xC000, None}, "refused, or pynetdicom aborts the association"
    assert archived() == []
    with Sender(server.port) as sender:
        assert sender.send(film).Status == 0x0000


def test_a_uid_that_no_database_or_terminal_takes_is_refused_and_audited(
    server: NodeServer, audited: Audited
) -> None:
    film = chest_film()
    request = {"sop_class_uid": str(film.SOPClassUID)}
    for uid in ("1.2\0.3", "\x1b[2J1.2"):
        with Sender(server.port) as sender:
            assert sender.send_bytes(encoded_data_set(film), **request, sop_instance_uid=uid).Status == 0xC000
    events = audited(Action.INSTANCE_REFUSED)
    assert [event.subject for event in events] == ["1.2\ufffd.3", "\ufffd[2J1.2"]


def test_every_refusal_has_a_status() -> None:
    assert set(STATUS_OF_REFUSAL) == set(RefusalReason)


def test_an_aborted_data_set_leaves_nothing_behind(
    server: NodeServer, audited: Audited, archived: Archived, wait_until: Callable[..., None]
) -> None:
    sender = Sender(server.port)
    sender.begin_and_abort(chest_film())
    wait_until(lambda: not server.is_serving)
    assert archived() == []
    assert audited() == []


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_every_malformed_data_set_gets_a_status(server: NodeServer, audited: Audited) -> None:
    """Bytes are changed, cut out and doubled at random; the association outlives each of them."""
    film, random = chest_film(size=(32, 32)), Random(20261122)
    original = encoded_data_set(film)
    uids = {"sop_class_uid": film.SOPClassUID, "sop_instance_uid": film.SOPInstanceUID}
    answered = []
    with Sender(server.port) as sender:
        for _ in range(150):
            answered.append(sender.send_bytes(_malformed(original, random), **uids).Status)
    unexpected = [hex(status or 1) for status in answered if status not in _FORESEEN]
    assert unexpected == []
    assert len(audited(Action.INSTANCE_REFUSED, Action.INSTANCE_CONFLICT)) >= 100


_FORESEEN = {0x0000, *(int(status) for status in STATUS_OF_REFUSAL.values())}


def _malformed(original: bytes, random: Random) -> bytes:
    changed = bytearray(original)
    header = original.index(b"\xe0\x7f\x10\x00")
    for _ in range(random.randint(1, 6)):
        at = random.randrange(header)
        match random.randrange(3):
            case 0:
                changed[at] = random.randrange(256)
            case 1:
                del changed[at : at + random.randint(1, 40)]
            case _:
                changed[at:at] = changed[at : at + random.randint(1, 40)]
    return bytes(changed)
