"""The way to a folder: complete files or none, and the bytes compared as proof."""

import filecmp
import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from dicom_node.delivery.carriers import Parcel, Receipt
from dicom_node.delivery.placing import accepted_receipt, placed_name, refused_receipt
from dicom_node.delivery.shapes import Shape, parse_shape
from dicom_node.delivery.shaping import PseudonymsOf, shaped_files, whereabouts
from dicom_node.errors import DeliveryRefused, DestinationUnreachable


class FolderCarrier:
    """Writes parcels as ``<study>/<series>/<instance>.dcm`` below a folder that must be there already.

    It is not made: a share that is not mounted must not fill the disk below its mount point.
    """

    def __init__(self, root: Path, pseudonyms_of: PseudonymsOf) -> None:
        self._root, self._pseudonyms_of = root, pseudonyms_of

    def send(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Write the Instances durably; return a receipt for each, in their order."""
        self._require_root()
        return [self._write(parcel) for parcel in parcels]

    def find(self, parcels: Sequence[Parcel]) -> dict[str, bool]:
        """Return whether each file has the very bytes that went out."""
        self._require_root()
        return {parcel.sop_instance_uid: self._is_there(parcel) for parcel in parcels}

    def request_commitment(self, parcels: Sequence[Parcel], transaction_uid: str) -> None:
        """Refuse: a folder commits to nothing."""
        raise DeliveryRefused("a folder is not asked for storage commitment: use proof = read-back")

    def sent_as(self, parcel: Parcel) -> frozenset[str]:
        """Return the SOP Instance UIDs under which the folder has it, from its ``form``."""
        return whereabouts(parcel, parse_shape(parcel.form), self._pseudonyms_of).uids

    def close(self) -> None:
        """Nothing is open."""

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise DestinationUnreachable(f"{self._root} is no folder: is it mounted?")

    def _write(self, parcel: Parcel) -> Receipt:
        shape = Shape(deidentified=parcel.deidentify)
        with tempfile.TemporaryDirectory(prefix="dicom-node-") as folder:
            try:
                file = shaped_files(parcel, shape, Path(folder), self._pseudonyms_of)[0]
                _put(file, self._root / placed_name(parcel, shape, self._pseudonyms_of))
            except (DeliveryRefused, ValueError) as refusal:
                return refused_receipt(parcel, shape, f"not written: {refusal}")
            except OSError as error:  # a full disk, a share that went away
                raise DestinationUnreachable(f"{self._root}: {error.strerror}") from error
        return accepted_receipt(parcel, shape, "written")

    def _is_there(self, parcel: Parcel) -> bool:
        shape = parse_shape(parcel.form)
        with tempfile.TemporaryDirectory(prefix="dicom-node-") as folder:
            try:
                file = shaped_files(parcel, shape, Path(folder), self._pseudonyms_of)[0]
                there = self._root / placed_name(parcel, shape, self._pseudonyms_of)
                return filecmp.cmp(file, there, shallow=False)
            except (OSError, ValueError, DeliveryRefused):
                return False


def _put(file: Path, target: Path) -> None:
    """Copy under a name that nobody takes for complete, sync, then rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with file.open("rb") as source, part.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
