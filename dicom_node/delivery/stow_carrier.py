"""The way to a DICOMweb server: STOW-RS and QIDO-RS over one HTTP client (PS3.18 10.5, 10.6)."""

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from dicom_node import dimse
from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.delivery.credentials import secret, trusting
from dicom_node.delivery.placing import refused_receipt
from dicom_node.delivery.shapes import Shape, parse_shape
from dicom_node.delivery.shaping import PseudonymsOf, by_series, shaped_files, whereabouts
from dicom_node.domain.text import printable
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.routing.document import StowDestination

_CHUNK = 1 << 20
_PAGE = 500
_MOST_PAGES = 200
_TEMPORARY = {408, 425, 429}
_NEVER = {501, 505}
_SOP_INSTANCE_UID, _REFERENCED, _FAILED = "00080018", "00081199", "00081198"
_REFERENCED_UID, _FAILURE_REASON = "00081155", "00081197"


def http_client(name: str, profile: StowDestination) -> httpx.Client:
    """Return the client of a server, with the secrets of the files that the profile names.

    No proxy or certificate of the environment is used: objects go to the named server alone, and a redirect
    is not followed.

    Raises
    ------
    DeliveryRefused
        A file cannot be read.
    """
    known = profile.authentication
    headers = {"Authorization": f"Bearer {secret(name, known.token_file)}"} if known.token_file else {}
    basic = httpx.BasicAuth(known.user, secret(name, known.password_file)) if known.user else None
    return httpx.Client(
        base_url=profile.url.rstrip("/") + "/",
        auth=basic,
        headers=headers,
        verify=trusting(name, known.ca_file) if known.ca_file else True,
        timeout=profile.timeout.total_seconds(),
        trust_env=False,
        follow_redirects=False,
    )


class StowCarrier:
    """Brings parcels in one STOW-RS request; what the server says of each Instance is its receipt."""

    def __init__(self, client: httpx.Client, pseudonyms_of: PseudonymsOf) -> None:
        self._client, self._pseudonyms_of = client, pseudonyms_of

    def send(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Send the Instances; return a receipt for each, in their order."""
        with tempfile.TemporaryDirectory(prefix="dicom-node-") as folder:
            files: dict[str, Path] = {}
            refused: dict[str, str] = {}
            for parcel in parcels:
                try:
                    files[parcel.sop_instance_uid] = self._file(parcel, Path(folder))
                except (DeliveryRefused, OSError, ValueError) as error:
                    refused[parcel.sop_instance_uid] = f"not sent: {error}"
            answer = self._store(list(files.values())) if files else httpx.Response(204)
        return [
            refused_receipt(parcel, _shape(parcel), refused[parcel.sop_instance_uid])
            if parcel.sop_instance_uid in refused
            else self._receipt(parcel, answer)
            for parcel in parcels
        ]

    def find(self, parcels: Sequence[Parcel]) -> dict[str, bool]:
        """Return whether the server has each of them (QIDO-RS search for Instances)."""
        places = {}
        for parcel in parcels:
            try:
                places[parcel.sop_instance_uid] = whereabouts(
                    parcel, parse_shape(parcel.form), self._pseudonyms_of
                )
            except OSError:
                continue
        found: set[str] = set()
        for study, series in by_series(places.values()):
            found |= self._search(study, series)
        return {
            parcel.sop_instance_uid: parcel.sop_instance_uid in places
            and places[parcel.sop_instance_uid].uids <= found
            for parcel in parcels
        }

    def request_commitment(self, parcels: Sequence[Parcel], transaction_uid: str) -> None:
        """Refuse: storage commitment over DICOMweb is not spoken here."""
        raise DeliveryRefused("a DICOMweb destination is not asked for storage commitment: use proof = qido")

    def sent_as(self, parcel: Parcel) -> frozenset[str]:
        """Return the SOP Instance UIDs under which the server has it, from its ``form``."""
        deidentified = parse_shape(parcel.form).deidentified
        uid = parcel.sop_instance_uid
        return frozenset({self._pseudonyms_of().uid(uid) if deidentified else uid})

    def search_any(self) -> int:
        """Search for any one study; return the HTTP status of the answer, which names no patient here.

        Raises
        ------
        DestinationUnreachable
            No answer, or one that may pass.
        DeliveryRefused
            The server does not search, or not for us.
        """
        headers = {"Accept": "application/dicom+json"}
        answer = self._ask("GET", "studies", headers=headers, params={"limit": "1"})
        if answer.status_code in {200, 204, 206}:
            return answer.status_code
        raise _refusal(answer)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _file(self, parcel: Parcel, folder: Path) -> Path:
        return shaped_files(parcel, _shape(parcel), folder, self._pseudonyms_of)[0]

    def _store(self, files: Sequence[Path]) -> httpx.Response:
        boundary = uuid.uuid4().hex
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        }
        answer = self._ask("POST", "studies", headers=headers, content=_body(files, boundary))
        if answer.status_code in {200, 202, 409}:
            return answer
        raise _refusal(answer)

    def _search(self, study: str, series: str) -> set[str]:
        found: set[str] = set()
        for page in range(_MOST_PAGES):
            query = {"limit": str(_PAGE), "offset": str(page * _PAGE)}
            answer = self._ask(
                "GET",
                f"studies/{study}/series/{series}/instances",
                headers={"Accept": "application/dicom+json"},
                params=query,
            )
            if answer.status_code in {204, 404}:  # nothing matches
                return found
            if answer.status_code not in {200, 206}:
                raise _refusal(answer)
            matches = {_value(one, _SOP_INSTANCE_UID) for one in _json(answer)}
            if matches <= found:  # no more, or a server that does not know offset
                return found
            found |= matches
            if len(matches) < _PAGE:
                return found
        return found

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        content: Iterator[bytes] | None = None,
    ) -> httpx.Response:
        try:
            return self._client.request(method, path, headers=headers, params=params, content=content)
        except httpx.TransportError as error:
            told = str(error) or type(error).__name__
            raise DestinationUnreachable(f"{self._client.base_url}: {told}") from error

    def _receipt(self, parcel: Parcel, answer: httpx.Response) -> Receipt:
        """What the Store Instances Response says of this one (PS3.18 10.5.3, PS3.18 I.2)."""
        uid = next(iter(self.sent_as(replace(parcel, form=str(_shape(parcel))))))
        said = _json_object(answer)
        stored = {_value(one, _REFERENCED_UID) for one in _items(said, _REFERENCED)}
        failed = {_value(one, _REFERENCED_UID): _reason(one) for one in _items(said, _FAILED)}
        accepted = uid not in failed and (uid in stored or answer.status_code == 200)
        reason = failed.get(uid)
        told = "" if reason is None else f": {dimse.describe(reason)}"
        if not accepted and reason is None:
            told = ": the server says nothing of this instance"
        return Receipt(
            sop_instance_uid=parcel.sop_instance_uid,
            accepted=accepted,
            temporary=not accepted and (reason is None or dimse.is_temporary(reason)),
            status=answer.status_code,
            form=str(_shape(parcel)),
            comment=f"HTTP {answer.status_code}{told}",
        )


def _shape(parcel: Parcel) -> Shape:
    """Nothing is negotiated: as it is stored, or de-identified."""
    return Shape(deidentified=parcel.deidentify)


def _body(files: Sequence[Path], boundary: str) -> Iterator[bytes]:
    for path in files:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def _refusal(answer: httpx.Response) -> DeliveryRefused | DestinationUnreachable:
    code = answer.status_code
    told = f"HTTP {code} {printable(answer.reason_phrase)}"
    if code in _TEMPORARY or (code >= 500 and code not in _NEVER):
        return DestinationUnreachable(told)
    return DeliveryRefused(told)


def _json(answer: httpx.Response) -> list[dict[str, object]]:
    """The objects of the answer; an empty one, which some servers send, says nothing."""
    if not answer.content.strip():
        return []
    try:
        said = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DestinationUnreachable(f"HTTP {answer.status_code} without DICOM JSON") from error
    objects = said if isinstance(said, list) else [said]
    return [one for one in objects if isinstance(one, dict)]


def _json_object(answer: httpx.Response) -> dict[str, object]:
    return next(iter(_json(answer)), {})


def _items(said: Mapping[str, object], tag: str) -> list[dict[str, object]]:
    element = said.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _value(item: Mapping[str, object], tag: str) -> str:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""


def _reason(item: Mapping[str, object]) -> int:
    text = _value(item, _FAILURE_REASON)
    return int(text) if text.isdigit() else dimse.Status.PROCESSING_FAILURE
