"""The way to an Application Entity: open once, negotiated down, byte for byte where it can be."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from dicom_node.delivery.carriers import Carrier, Parcel, Receipt
from dicom_node.delivery.opening import open_carrier
from dicom_node.dimse import split_file_meta
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.results.instance import encode
from dicom_node.routing.document import DicomDestination
from dicom_node.settings import Settings
from tests.peers.orthanc import Orthanc
from tests.peers.pacs import Pacs
from tests.synthetic import results_inputs, studies

EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
MULTI_FRAME = str(MultiFrameTrueColorSecondaryCaptureImageStorage)
SINGLE = str(SecondaryCaptureImageStorage)


@pytest.fixture(scope="module")
def ct_outputs() -> tuple[Dataset, Dataset]:
    return results_inputs.ct_outputs(results_inputs.ct_series())


@pytest.fixture
def results(ct_outputs: tuple[Dataset, Dataset], tmp_path: Path) -> list[Parcel]:
    """The heat map, then the report, as the outbox sends them."""
    report, heatmap = ct_outputs
    paths = {}
    for name, output in (("heatmap", heatmap), ("report", report)):
        paths[name] = tmp_path / f"{name}.dcm"
        paths[name].write_bytes(encode(output))
    return [parcel(path) for path in paths.values()]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_home=tmp_path)


def parcel(path: Path, *, deidentify: bool = False, form: str = "") -> Parcel:
    instance = split_file_meta(path)
    return Parcel(
        path=path,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        deidentify=deidentify,
        form=form,
    )


def received(parcels: list[Parcel], receipts: list[Receipt]) -> list[Parcel]:
    """The parcels as they are asked for afterwards."""
    return [parcel(one.path, form=receipt.form) for one, receipt in zip(parcels, receipts, strict=True)]


def opened(peer: Pacs, settings: Settings, **profile: object) -> Carrier:
    return open_carrier("pacs", DicomDestination(address=peer.destination, **profile), settings)


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


def offering(*sop_classes: str, transfer_syntaxes: tuple[str, ...] = (EXPLICIT, IMPLICIT)) -> Pacs:
    return Pacs(sop_classes=sop_classes, transfer_syntaxes=transfer_syntaxes)


def test_the_association_stays_open_for_the_next_parcels(
    pacs: Pacs, settings: Settings, results: list[Parcel]
) -> None:
    carrier = opened(pacs, settings, calling_ae_title="US_THERE")
    assert [receipt.form for receipt in carrier.send(results)] == ["", ""]
    assert all(receipt.accepted for receipt in carrier.send(results[1:]))
    assert pacs.associations == 1
    assert {one.calling_ae_title for one in pacs.received} == {"US_THERE"}
    carrier.close()
    assert carrier.send(results)[0].accepted
    assert pacs.associations == 2
    carrier.close()


def test_an_association_that_the_peer_ended_is_opened_again(
    pacs: Pacs, settings: Settings, results: list[Parcel]
) -> None:
    carrier = opened(pacs, settings)
    carrier.send(results)
    pacs.go_down()
    pacs.come_up()
    for _ in range(2):  # the first may still meet the end of the old one, and says that it may be tried again
        receipts = carrier.send(results)
        if receipts[0].accepted:
            break
        assert receipts[0].temporary
    assert all(receipt.accepted for receipt in receipts)
    carrier.close()


@pytest.mark.parametrize(
    ("offered", "form"),
    [
        ((Comprehensive3DSRStorage, ComprehensiveSRStorage, BasicTextSRStorage), ""),
        ((ComprehensiveSRStorage, BasicTextSRStorage), "comprehensive"),
        ((BasicTextSRStorage,), "basic-text"),
    ],
)
def test_a_report_goes_out_in_the_most_wanted_class_that_is_taken(
    settings: Settings, results: list[Parcel], offered: tuple[str, ...], form: str
) -> None:
    with offering(MULTI_FRAME, *offered) as peer:
        carrier = opened(peer, settings)
        receipts = carrier.send(results)
        assert [receipt.form for receipt in receipts] == ["", form]
        assert peer.kept[1].sop_class_uid == offered[0]
        sent = received(results, receipts)
        assert carrier.sent_as(sent[1]) == {peer.kept[1].sop_instance_uid}
        assert (carrier.sent_as(sent[1]) == {results[1].sop_instance_uid}) == (form == "")
        assert carrier.find(sent) == {one.sop_instance_uid: True for one in results}
        first = [one.encoded for one in peer.kept]
        carrier.send(results)
        assert [one.encoded for one in peer.kept[2:]] == first
        carrier.close()


def test_the_profile_says_which_class_is_wanted_most(
    pacs: Pacs, settings: Settings, results: list[Parcel]
) -> None:
    with offering(MULTI_FRAME, Comprehensive3DSRStorage, BasicTextSRStorage) as peer:
        carrier = opened(peer, settings, report_forms=("basic-text", "comprehensive-3d"))
        assert carrier.send(results)[1].form == "basic-text"
        carrier.close()


def test_a_peer_without_multi_frame_gets_single_images_that_the_report_names(
    settings: Settings, results: list[Parcel]
) -> None:
    with offering(SINGLE, ComprehensiveSRStorage) as peer:
        carrier = opened(peer, settings)
        receipts = carrier.send(results)
        assert [receipt.form for receipt in receipts] == ["single-frames", "comprehensive, single-frames"]
        frames, report = [one.dataset() for one in peer.kept[:3]], peer.kept[3].dataset()
        evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        named = {item.ReferencedSOPInstanceUID for one in evidence for item in one.ReferencedSOPSequence}
        assert {frame.SOPInstanceUID for frame in frames} <= named
        sent = received(results, receipts)
        assert carrier.sent_as(sent[0]) == {frame.SOPInstanceUID for frame in frames}
        assert carrier.find(sent) == {one.sop_instance_uid: True for one in results}
        alone = carrier.send(results[1:])  # the heat map was accepted before
        assert peer.kept[4].encoded == peer.kept[3].encoded
        assert alone[0].form == receipts[1].form
        carrier.close()


def test_one_refused_frame_of_a_heat_map_leaves_it_not_delivered(
    settings: Settings, results: list[Parcel]
) -> None:
    with offering(SINGLE, ComprehensiveSRStorage) as peer:
        carrier = opened(peer, settings)
        sent = received(results, carrier.send(results))
        peer.refuse(sorted(carrier.sent_as(sent[0]))[1], 0xA700)
        heatmap, report = carrier.send(results)
        assert (heatmap.accepted, heatmap.temporary, heatmap.status) == (False, True, 0xA700)
        assert report.accepted
        carrier.close()


def test_a_peer_that_takes_no_result_is_told_apart(settings: Settings, results: list[Parcel]) -> None:
    with offering(str(DigitalXRayImageStorageForPresentation)) as peer:
        receipts = opened(peer, settings).send(results)
        assert not any(receipt.accepted or receipt.temporary for receipt in receipts)
        assert "no presentation context" in receipts[0].comment


@pytest.mark.parametrize(("word", "syntax"), [("j2k", JPEG2000Lossless), ("rle", RLELossless)])
def test_heat_maps_are_compressed_where_that_is_taken(
    pacs: Pacs, settings: Settings, results: list[Parcel], word: str, syntax: str
) -> None:
    carrier = opened(pacs, settings, compress=(word,))
    receipts = carrier.send(results)
    assert [(receipt.form, receipt.comment) for receipt in receipts] == [
        (word, "0000H success"),
        ("", "0000H success"),
    ]
    heatmap = pacs.kept[0]
    assert (heatmap.transfer_syntax_uid, heatmap.sop_instance_uid) == (syntax, results[0].sop_instance_uid)
    stored = pydicom.dcmread(results[0].path)
    assert (heatmap.dataset().pixel_array == stored.pixel_array).all()
    assert len(heatmap.encoded) < results[0].path.stat().st_size / 2
    carrier.close()


def test_a_peer_that_takes_no_compression_gets_none(settings: Settings, results: list[Parcel]) -> None:
    with offering(MULTI_FRAME, Comprehensive3DSRStorage) as peer:
        carrier = opened(peer, settings, compress=("j2k", "rle"))
        assert [receipt.form for receipt in carrier.send(results)] == ["", ""]
        carrier.close()


def test_a_compression_that_nobody_writes_here_is_refused_at_once(pacs: Pacs, settings: Settings) -> None:
    with pytest.raises(DeliveryRefused, match="no installed library writes htj2k"):
        opened(pacs, settings, compress=("htj2k",))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, JPEG2000Lossless])
def test_an_original_goes_out_as_it_came(pacs: Pacs, settings: Settings, tmp_path: Path, syntax: str) -> None:
    path = studies.write(studies.compressed(studies.chest_film(study=81), syntax), tmp_path)
    carrier = opened(pacs, settings)
    assert [receipt.form for receipt in carrier.send([parcel(path)])] == [""]
    assert pacs.kept[0].encoded == path.read_bytes()[split_file_meta(path).offset :]
    carrier.close()


@pytest.mark.parametrize(
    ("taken", "form"), [((EXPLICIT, IMPLICIT), "explicit-vr-le"), ((IMPLICIT,), "implicit-vr-le")]
)
def test_an_original_is_decompressed_where_its_syntax_is_not_taken(
    settings: Settings, tmp_path: Path, taken: tuple[str, ...], form: str
) -> None:
    film = studies.chest_film(study=82)
    path = studies.write(studies.compressed(film, JPEG2000Lossless), tmp_path)
    with offering(str(film.SOPClassUID), transfer_syntaxes=taken) as peer:
        carrier = opened(peer, settings)
        receipts = carrier.send([parcel(path)])
        assert receipts[0].form == form
        kept = peer.kept[0].dataset()
        assert kept.SOPInstanceUID == film.SOPInstanceUID
        assert (kept.pixel_array == film.pixel_array).all()
        assert carrier.find(received([parcel(path)], receipts)) == {str(film.SOPInstanceUID): True}
        carrier.close()


def test_what_leaves_de_identified_is_found_under_its_new_uids(
    pacs: Pacs, settings: Settings, results: list[Parcel], tmp_path: Path
) -> None:
    film = studies.write(studies.chest_film(study=83, PatientName="Secret^Name"), tmp_path)
    parcels = [parcel(one.path, deidentify=True) for one in results] + [parcel(film, deidentify=True)]
    carrier = opened(pacs, settings)
    receipts = carrier.send(parcels)
    assert {receipt.form for receipt in receipts} == {"de-identified"}
    assert not any(b"Secret" in one.part10 or b"TEST-CT" in one.part10 for one in pacs.kept)
    sent = received(parcels, receipts)
    assert [carrier.sent_as(one) for one in sent] == [{one.sop_instance_uid} for one in pacs.kept]
    assert carrier.find(sent) == {one.sop_instance_uid: True for one in parcels}
    assert carrier.find(parcels) == {one.sop_instance_uid: False for one in parcels}
    carrier.close()


def test_what_cannot_be_de_identified_stays_here(pacs: Pacs, settings: Settings, tmp_path: Path) -> None:
    film = studies.write(studies.chest_film(study=84, BurnedInAnnotation="YES"), tmp_path)
    carrier = opened(pacs, settings)
    receipt = carrier.send([parcel(film, deidentify=True)])[0]
    assert not receipt.accepted
    assert not receipt.temporary
    assert "burned-in" in receipt.comment
    assert pacs.received == []
    carrier.close()


def test_a_rejected_ae_title_is_final_and_a_full_peer_is_not(
    settings: Settings, results: list[Parcel]
) -> None:
    with Pacs(calling_ae_titles=("SOMEBODY",)) as peer, pytest.raises(DeliveryRefused, match="Calling AE"):
        opened(peer, settings).send(results)
    with Pacs() as peer:
        peer.limit_associations(1)
        first = opened(peer, settings)
        first.send(results)
        with pytest.raises(DestinationUnreachable, match=r"[Ll]imit"):
            opened(peer, settings).send(results)
        first.close()


def test_what_was_lost_is_not_found(pacs: Pacs, settings: Settings, results: list[Parcel]) -> None:
    carrier = opened(pacs, settings)
    pacs.lose(1)
    sent = received(results, carrier.send(results))
    assert list(carrier.find(sent).values()) == [False, True]
    carrier.close()


def test_no_commitment_is_a_refusal(settings: Settings, results: list[Parcel]) -> None:
    with Pacs(offers_commitment=False) as peer, pytest.raises(DeliveryRefused, match="storage commitment"):
        opened(peer, settings).request_commitment(results, "2.25.1")


def test_a_report_on_the_same_association_is_received(settings: Settings, results: list[Parcel]) -> None:
    reports: list[Dataset] = []
    answered = threading.Event()
    statuses: list[int] = []

    def report_at_once(event: Event) -> tuple[int, None]:
        def report(information: Dataset) -> None:
            status, _ = event.assoc.send_n_event_report(
                information, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
            statuses.append(status.Status)
            answered.set()

        threading.Thread(target=report, args=(event.action_information,)).start()
        return 0x0000, None

    def receive(information: Dataset) -> bool:
        reports.append(information)
        return True

    entity = AE("PACS")
    entity.add_supported_context(StorageCommitmentPushModel)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_ACTION, report_at_once)]
    )
    try:
        address = Destination(ae_title=AETitle("PACS"), host="127.0.0.1", port=server.socket.getsockname()[1])
        carrier = open_carrier("pacs", DicomDestination(address=address), settings, receive)
        carrier.request_commitment(results, "2.25.77")
        assert answered.wait(10)
        carrier.close()
    finally:
        server.shutdown()
    assert statuses == [0x0000]
    assert reports[0].TransactionUID == "2.25.77"
    asked = {item.ReferencedSOPInstanceUID for item in reports[0].ReferencedSOPSequence}
    assert asked == {one.sop_instance_uid for one in results}


def test_orthanc_has_what_was_sent_and_nothing_else(settings: Settings, results: list[Parcel]) -> None:
    with Orthanc({"DicomAlwaysAllowFind": True}) as orthanc:
        profile = DicomDestination(address=orthanc.destination)
        carrier = open_carrier("orthanc", profile, settings)
        assert carrier.find(results) == {one.sop_instance_uid: False for one in results}
        assert all(receipt.accepted for receipt in carrier.send(results))
        assert carrier.find(results) == {one.sop_instance_uid: True for one in results}
        other = [replace(results[0], deidentify=True)]
        sent = received(other, carrier.send(other))
        assert carrier.find(sent) == {results[0].sop_instance_uid: True}
        assert len(orthanc.instances()) == 3
        carrier.close()


def test_a_header_that_cannot_be_written_again_is_refused_by_name_only(
    pacs: Pacs, settings: Settings, tmp_path: Path
) -> None:
    film = studies.chest_film(study=85, PatientName="Secret^Name")
    path = studies.write(film, tmp_path)
    content = path.read_bytes()
    rows = content.index(b"\x28\x00\x10\x00US")
    path.write_bytes(content[:rows] + b"\x28\x00\x10\x00??" + content[rows + 6 :])
    carrier = opened(pacs, settings)
    receipt = carrier.send([parcel(path, deidentify=True)])[0]
    assert not receipt.accepted
    assert not receipt.temporary
    assert "Secret" not in receipt.comment
    carrier.close()
