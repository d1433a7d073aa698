"""Parcels: rows of the outbox with their bytes, checked before anything goes out."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dicom_node.archive import Archive
from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.dimse import split_file_meta
from dicom_node.domain.delivery import (
    Delivery,
    DeliveryContent,
    InstanceAnswer,
    InstanceState,
    OutboxInstance,
)
from dicom_node.errors import ArchiveCorrupted

_CHUNK = 1 << 20


def checked_parcels(archive: Archive, delivery: Delivery, rows: Iterable[OutboxInstance]) -> list[Parcel]:
    """Return the parcels of the rows.

    Raises
    ------
    ArchiveCorrupted
        The bytes of one are missing or no longer have the digest that was recorded: nothing may go out.
    """
    return [_parcel(_checked(archive, delivery, row), delivery, row) for row in rows]


def unchecked_parcels(archive: Archive, delivery: Delivery, rows: Iterable[OutboxInstance]) -> list[Parcel]:
    """Return the parcels of what went out before, to ask for them; their bytes do not matter any more."""
    return [replace(_parcel(archive.root / row.path, delivery, row), form=row.form) for row in rows]


def answer_of(receipt: Receipt) -> InstanceAnswer:
    """Return what the outbox keeps of a receipt."""
    if receipt.accepted:
        state = InstanceState.ACCEPTED
    else:
        state = InstanceState.PENDING if receipt.temporary else InstanceState.REFUSED
    return InstanceAnswer(
        sop_instance_uid=receipt.sop_instance_uid,
        state=state,
        form=receipt.form,
        status=receipt.status,
        answer=receipt.comment,
    )


def _parcel(path: Path, delivery: Delivery, row: OutboxInstance) -> Parcel:
    return Parcel(
        path=path,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        deidentify=delivery.deidentify,
    )


def _checked(archive: Archive, delivery: Delivery, row: OutboxInstance) -> Path:
    if delivery.content is DeliveryContent.RESULTS:
        return archive.verified(row.path, row.sha256)
    path = archive.path(row.path)
    if _digest_of_data_set(path) != row.sha256:
        raise ArchiveCorrupted(f"{row.path} no longer has the digest that was recorded")
    return path


def _digest_of_data_set(path: Path) -> str:
    """Return the SHA-256 of the data set alone: of what came, the File Meta Information is ours."""
    try:
        offset = split_file_meta(path).offset
    except ValueError as error:
        raise ArchiveCorrupted(f"{path.name}: {error}") from error
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
