"""Folders and buckets: complete files or none, and the very bytes as proof."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from dicom_node.delivery.carriers import Carrier, Parcel
from dicom_node.delivery.opening import open_carrier
from dicom_node.dimse import split_file_meta
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.routing.document import BucketDestination, FolderDestination
from dicom_node.settings import Settings
from tests.synthetic import studies


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_home=tmp_path)


@pytest.fixture
def films(tmp_path: Path) -> list[Parcel]:
    return [parcel(studies.write(studies.chest_film(study=number), tmp_path)) for number in (61, 62)]


def parcel(path: Path, *, deidentify: bool = False, form: str = "") -> Parcel:
    instance = split_file_meta(path)
    return Parcel(
        path=path,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        deidentify=deidentify,
        form=form,
    )


def folder_carrier(folder: Path, settings: Settings) -> Carrier:
    return open_carrier("share", FolderDestination(kind="folder", path=str(folder)), settings)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


def test_a_folder_gets_the_very_bytes_below_study_and_series(
    share: Path, settings: Settings, films: list[Parcel]
) -> None:
    carrier = folder_carrier(share, settings)
    assert all(receipt.accepted for receipt in carrier.send(films))
    film = studies.chest_film(study=61)
    path = share / film.StudyInstanceUID / film.SeriesInstanceUID / f"{film.SOPInstanceUID}.dcm"
    assert path.read_bytes() == films[0].path.read_bytes()
    assert len([one for one in share.rglob("*") if one.is_file()]) == 2
    assert carrier.find(films) == {one.sop_instance_uid: True for one in films}


def test_what_a_folder_lost_or_spoiled_is_not_found(
    share: Path, settings: Settings, films: list[Parcel]
) -> None:
    carrier = folder_carrier(share, settings)
    carrier.send(films)
    lost, spoiled = sorted(path for path in share.rglob("*.dcm"))
    lost.unlink()
    spoiled.write_bytes(spoiled.read_bytes()[:-1] + b"?")
    assert list(carrier.find(films).values()) == [False, False]
    carrier.send(films)
    assert list(carrier.find(films).values()) == [True, True]


def test_a_folder_that_is_not_mounted_is_not_made(
    tmp_path: Path, settings: Settings, films: list[Parcel]
) -> None:
    carrier = folder_carrier(tmp_path / "nowhere", settings)
    with pytest.raises(DestinationUnreachable, match="mounted"):
        carrier.send(films)
    with pytest.raises(DestinationUnreachable):
        carrier.find(films)
    assert not (tmp_path / "nowhere").exists()


def test_a_de_identified_file_is_found_again_and_a_resend_is_the_same(
    share: Path, settings: Settings, films: list[Parcel]
) -> None:
    carrier = folder_carrier(share, settings)
    receipt = carrier.send([parcel(films[0].path, deidentify=True)])[0]
    path = next(share.rglob("*.dcm"))
    first = path.read_bytes()
    assert studies.chest_film(study=61).StudyInstanceUID not in str(path)
    sent = parcel(films[0].path, form=receipt.form)
    assert path.stem in carrier.sent_as(sent)
    assert carrier.find([sent]) == {sent.sop_instance_uid: True}
    carrier.send([parcel(films[0].path, deidentify=True)])
    assert [one.read_bytes() for one in share.rglob("*.dcm")] == [first]


def test_neither_commits(share: Path, settings: Settings, films: list[Parcel]) -> None:
    with pytest.raises(DeliveryRefused, match="read-back"):
        folder_carrier(share, settings).request_commitment(films, "2.25.1")


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_a_bucket_gets_the_bytes_and_is_read_again(
    tmp_path: Path, settings: Settings, films: list[Parcel], scheme: str
) -> None:
    root = f"{scheme}://{tmp_path}/{uuid.uuid4().hex}"
    carrier = open_carrier("bucket", BucketDestination(kind="bucket", url=root), settings)
    assert list(carrier.find(films).values()) == [False, False]
    assert all(receipt.accepted for receipt in carrier.send(films))
    assert list(carrier.find(films).values()) == [True, True]
    files, path = fsspec.url_to_fs(root)
    spoiled = files.find(path)[0]
    files.pipe_file(spoiled, b"something else")
    assert sorted(carrier.find(films).values()) == [False, True]
    carrier.close()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3 on loopback; its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_profile(url: str, bucket: str, folder: Path) -> BucketDestination:
    secrets = folder / "s3.json"
    secrets.write_text(json.dumps({"key": "node", "secret": "very secret"}))
    return BucketDestination(
        kind="bucket",
        url=f"s3://{bucket}/ai",
        options={"endpoint_url": url},
        credentials_file=str(secrets),
    )


def test_s3_keeps_the_bytes_and_is_read_again(
    s3: str, tmp_path: Path, settings: Settings, films: list[Parcel]
) -> None:
    profile = s3_profile(s3, "results", tmp_path)
    files = fsspec.filesystem("s3", key="node", secret="very secret", endpoint_url=s3)
    files.mkdir("results")
    carrier = open_carrier("lake", profile, settings)
    assert list(carrier.find(films).values()) == [False, False]
    assert all(receipt.accepted for receipt in carrier.send(films))
    assert list(carrier.find(films).values()) == [True, True]
    film = studies.chest_film(study=61)
    key = f"results/ai/{film.StudyInstanceUID}/{film.SeriesInstanceUID}/{film.SOPInstanceUID}.dcm"
    assert files.cat_file(key) == films[0].path.read_bytes()
    carrier.close()


def test_a_bucket_that_is_not_there_is_not_made(
    s3: str, tmp_path: Path, settings: Settings, films: list[Parcel]
) -> None:
    with pytest.raises(DestinationUnreachable, match="lake"):
        open_carrier("lake", s3_profile(s3, "mistyped", tmp_path), settings).send(films)
    files = fsspec.filesystem("s3", key="node", secret="very secret", endpoint_url=s3)
    assert "mistyped" not in files.ls("")


def test_a_bucket_that_cannot_be_written_is_tried_again_later(
    tmp_path: Path, settings: Settings, films: list[Parcel]
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    profile = BucketDestination(kind="bucket", url=f"file://{tmp_path}/taken")
    with pytest.raises(DestinationUnreachable, match="bucket"):
        open_carrier("bucket", profile, settings).send(films)


def test_an_unknown_file_system_and_spoiled_credentials_are_refused(
    tmp_path: Path, settings: Settings
) -> None:
    with pytest.raises(DeliveryRefused, match="nosuch"):
        open_carrier("bucket", BucketDestination(kind="bucket", url="nosuch://x"), settings)
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps(["no", "object"]))
    profile = BucketDestination(kind="bucket", url="memory://x", credentials_file=str(secrets))
    with pytest.raises(DeliveryRefused, match="JSON object"):
        open_carrier("bucket", profile, settings)
