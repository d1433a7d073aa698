"""STOW-RS and QIDO-RS against Orthanc, and against a server that says what Orthanc never does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from dicom_node.delivery.carriers import Carrier, Parcel
from dicom_node.delivery.opening import open_carrier
from dicom_node.dimse import split_file_meta
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.routing.document import HttpAuthentication, StowDestination
from dicom_node.settings import Settings
from tests.peers.orthanc import Orthanc, dicomweb_plugin
from tests.synthetic import studies


@pytest.fixture(scope="module")
def orthanc() -> Iterator[Orthanc]:
    users = {"node": "secret"}
    settings = {"AuthenticationEnabled": True, "RegisteredUsers": users, "Plugins": [dicomweb_plugin()]}
    with Orthanc(settings, user="node", password="secret") as running:
        yield running


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


@pytest.fixture
def films(tmp_path: Path) -> list[Parcel]:
    return [parcel(studies.write(studies.chest_film(study=number), tmp_path)) for number in (41, 42)]


def opened(url: str, settings: Settings, **profile: object) -> Carrier:
    return open_carrier("web", StowDestination(kind="stow", url=url, **profile), settings)


def known(tmp_path: Path, password: str = "secret") -> HttpAuthentication:
    path = tmp_path / "password"
    path.write_text(f"{password}\n")
    return HttpAuthentication(user="node", password_file=str(path))


def test_orthanc_keeps_what_is_stored_over_the_web_and_finds_it(
    orthanc: Orthanc, settings: Settings, films: list[Parcel], tmp_path: Path
) -> None:
    carrier = opened(orthanc.dicomweb, settings, authentication=known(tmp_path))
    assert carrier.find(films) == {one.sop_instance_uid: False for one in films}
    receipts = carrier.send(films)
    assert [(receipt.accepted, receipt.status) for receipt in receipts] == [(True, 200)] * 2
    assert carrier.find(films) == {one.sop_instance_uid: True for one in films}
    kept = [orthanc.file(one) for one in orthanc.instances()]
    stored = [one.path.read_bytes()[split_file_meta(one.path).offset :] for one in films]
    assert all(any(data.endswith(one) for data in kept) for one in stored)
    carrier.close()


def test_orthanc_finds_what_left_de_identified_under_its_new_uids(
    orthanc: Orthanc, settings: Settings, films: list[Parcel], tmp_path: Path
) -> None:
    carrier = opened(orthanc.dicomweb, settings, authentication=known(tmp_path))
    receipt = carrier.send([parcel(films[0].path, deidentify=True)])[0]
    assert receipt.accepted
    sent = parcel(films[0].path, form=receipt.form)
    assert carrier.find([sent]) == {sent.sop_instance_uid: True}
    carrier.close()


def test_a_wrong_password_is_final(
    orthanc: Orthanc, settings: Settings, films: list[Parcel], tmp_path: Path
) -> None:
    carrier = opened(orthanc.dicomweb, settings, authentication=known(tmp_path, "guessed"))
    with pytest.raises(DeliveryRefused, match="HTTP 401"):
        carrier.send(films)
    carrier.close()


class Scripted:
    """A server that answers what it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, object]] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = b""
                while size := int(self.rfile.readline().strip(), 16):  # it comes in chunks
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                self._answer(body)

            def do_GET(self) -> None:
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                outer.asked.append((self.path, dict(self.headers), body))
                status, said = outer.answers.pop(0)
                content = b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


def referenced(*uids: str) -> dict[str, object]:
    return {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]}}


def failed(uid: str, reason: int) -> dict[str, object]:
    item = {
        "00081155": {"vr": "UI", "Value": [uid]},
        "00081197": {"vr": "US", "Value": [reason]},
    }
    return {"00081198": {"vr": "SQ", "Value": [item]}}


@pytest.mark.parametrize(
    ("reason", "temporary"), [(0xA700, True), (0x0110, True), (0xA900, False), (0x0122, False)]
)
def test_each_instance_of_a_partial_failure_has_its_own_receipt(
    server: Scripted, settings: Settings, films: list[Parcel], reason: int, temporary: bool
) -> None:
    stored, refused = (one.sop_instance_uid for one in films)
    server.answers = [(202, {**referenced(stored), **failed(refused, reason)})]
    carrier = opened(server.url, settings)
    first, second = carrier.send(films)
    assert (first.accepted, second.accepted, second.temporary) == (True, False, temporary)
    assert f"{reason:04X}H" in second.comment
    carrier.close()


def test_an_instance_that_a_partial_success_does_not_name_is_tried_again(
    server: Scripted, settings: Settings, films: list[Parcel]
) -> None:
    server.answers = [(202, referenced(films[0].sop_instance_uid))]
    carrier = opened(server.url, settings)
    assert [(one.accepted, one.temporary) for one in carrier.send(films)] == [(True, False), (False, True)]
    carrier.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, DeliveryRefused),
        (403, DeliveryRefused),
        (415, DeliveryRefused),
        (501, DeliveryRefused),
        (302, DeliveryRefused),
        (408, DestinationUnreachable),
        (429, DestinationUnreachable),
        (500, DestinationUnreachable),
        (503, DestinationUnreachable),
    ],
)
def test_whether_a_status_may_pass(
    server: Scripted, settings: Settings, films: list[Parcel], status: int, error: type[Exception]
) -> None:
    server.answers = [(status, None)]
    carrier = opened(server.url, settings)
    with pytest.raises(error, match=f"HTTP {status}"):
        carrier.send(films)
    carrier.close()


def test_nobody_there_and_no_answer_in_time_may_pass(settings: Settings, films: list[Parcel]) -> None:
    with Scripted() as server:
        url = server.url
    carrier = opened(url, settings, timeout=0.5)
    with pytest.raises(DestinationUnreachable):
        carrier.send(films)
    carrier.close()


def test_the_token_goes_along_and_every_part_is_a_whole_file(
    server: Scripted, settings: Settings, films: list[Parcel], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("abc.def\n")
    server.answers = [(200, None)]
    carrier = opened(server.url, settings, authentication=HttpAuthentication(token_file=str(token)))
    assert all(receipt.accepted for receipt in carrier.send(films))
    path, headers, body = server.asked[0]
    assert (path, headers["Authorization"]) == ("/dicom-web/studies", "Bearer abc.def")
    boundary = headers["Content-Type"].rpartition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)
    assert [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:3]] == [
        one.path.read_bytes() for one in films
    ]
    assert parts[3] == b"--\r\n"
    carrier.close()


def test_a_search_goes_on_until_the_last_page(
    server: Scripted, settings: Settings, films: list[Parcel]
) -> None:
    page = [{"00080018": {"vr": "UI", "Value": [f"2.25.{number}"]}} for number in range(500)]
    last = [{"00080018": {"vr": "UI", "Value": [films[0].sop_instance_uid]}}]
    server.answers = [(200, page), (200, last)]
    carrier = opened(server.url, settings)
    assert carrier.find(films[:1]) == {films[0].sop_instance_uid: True}
    assert "offset=500" in server.asked[1][0]
    carrier.close()


def test_a_secret_that_is_not_there_is_refused(settings: Settings, tmp_path: Path) -> None:
    missing = HttpAuthentication(token_file=str(tmp_path / "missing"))
    with pytest.raises(DeliveryRefused, match="missing"):
        opened("http://127.0.0.1:1", settings, authentication=missing)
