"""The way to a bucket: any file system that fsspec knows, the bytes read again as proof."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.delivery.credentials import secret
from dicom_node.delivery.placing import accepted_receipt, placed_name, refused_receipt
from dicom_node.delivery.shapes import Shape, parse_shape
from dicom_node.delivery.shaping import PseudonymsOf, shaped_files, whereabouts
from dicom_node.errors import DeliveryRefused, DestinationUnreachable
from dicom_node.routing.document import BucketDestination

_CHUNK = 1 << 20


class BucketCarrier:
    """Puts parcels as ``<study>/<series>/<instance>.dcm`` below a URL.

    Raises
    ------
    DeliveryRefused
        The URL or its options are not understood, or the library for it (``s3fs``) is not installed.
    """

    def __init__(self, name: str, profile: BucketDestination, pseudonyms_of: PseudonymsOf) -> None:
        self._name, self._pseudonyms_of = name, pseudonyms_of
        # Stores of objects have no folders to make, and a bucket must not be made for a mistyped name.
        folders: dict[str, Any] = {"auto_mkdir": True} if profile.url.startswith("file:") else {}
        options: dict[str, Any] = {
            **folders,
            **profile.options,
            **_credentials(name, profile.credentials_file),
        }
        try:
            self._files, root = fsspec.url_to_fs(profile.url, **options)
        except (ImportError, TypeError, ValueError) as error:
            raise DeliveryRefused(f"{name}: {profile.url}: {error}") from error
        self._root = root.rstrip("/")

    def send(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Put the Instances; return a receipt for each, in their order."""
        return [self._put(parcel) for parcel in parcels]

    def find(self, parcels: Sequence[Parcel]) -> dict[str, bool]:
        """Return whether each object, read again, has the very bytes that went out."""
        return {parcel.sop_instance_uid: self._is_there(parcel) for parcel in parcels}

    def request_commitment(self, parcels: Sequence[Parcel], transaction_uid: str) -> None:
        """Refuse: a bucket commits to nothing."""
        raise DeliveryRefused("a bucket is not asked for storage commitment: use proof = read-back")

    def sent_as(self, parcel: Parcel) -> frozenset[str]:
        """Return the SOP Instance UIDs under which the bucket has it, from its ``form``."""
        return whereabouts(parcel, parse_shape(parcel.form), self._pseudonyms_of).uids

    def write_and_remove(self, name: str) -> None:
        """Put an object of no content that matters and remove it; raises as ``send`` does."""
        target = f"{self._root}/{name}"
        with tempfile.NamedTemporaryFile(prefix="dicom-node-") as trial, self._reachable():
            self._files.put_file(trial.name, target)
            self._files.rm_file(target)

    def close(self) -> None:
        """fsspec keeps its own connections."""

    def _put(self, parcel: Parcel) -> Receipt:
        shape = Shape(deidentified=parcel.deidentify)
        with tempfile.TemporaryDirectory(prefix="dicom-node-") as folder:
            try:
                file = shaped_files(parcel, shape, Path(folder), self._pseudonyms_of)[0]
                target = self._target(parcel, shape)
            except (DeliveryRefused, OSError, ValueError) as refusal:
                return refused_receipt(parcel, shape, f"not put: {refusal}")
            with self._reachable():
                self._files.put_file(str(file), target)
        return accepted_receipt(parcel, shape, "put")

    def _is_there(self, parcel: Parcel) -> bool:
        shape = parse_shape(parcel.form)
        with tempfile.TemporaryDirectory(prefix="dicom-node-") as folder:
            try:
                file = shaped_files(parcel, shape, Path(folder), self._pseudonyms_of)[0]
                target = self._target(parcel, shape)
            except (DeliveryRefused, OSError, ValueError):
                return False
            with file.open("rb") as stored:
                wanted = _digest(stored)
        with self._reachable():
            try:
                with self._files.open(target, "rb") as there:
                    return _digest(there) == wanted
            except FileNotFoundError:
                return False

    def _target(self, parcel: Parcel, shape: Shape) -> str:
        return f"{self._root}/{placed_name(parcel, shape, self._pseudonyms_of)}"

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """fsspec promises no family of errors: each file system brings those of its own library."""
        try:
            yield
        except Exception as error:
            told = str(getattr(error, "strerror", "") or type(error).__name__)
            raise DestinationUnreachable(f"{self._name}: {told}") from error


def _credentials(name: str, path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        found = json.loads(secret(name, path))
    except json.JSONDecodeError as error:
        raise DeliveryRefused(f"{name}: {path} is no JSON") from error
    if not isinstance(found, dict):
        raise DeliveryRefused(f"{name}: {path} is no JSON object")
    return found


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
