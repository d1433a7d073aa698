"""The Transfer Syntaxes that this installation really decodes, proved by decoding a known image in each."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.stored_pixels import StoredValues, stored_frame

logger = logging.getLogger(__name__)

NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and Implicit VR Little Endian; pydicom reads them without a plug-in."""

ENCAPSULATED = tuple(
    str(uid)
    for uid in (
        JPEGLosslessSV1,
        JPEGLossless,
        JPEGLSLossless,
        JPEG2000Lossless,
        HTJ2KLossless,
        HTJ2KLosslessRPCL,
        RLELossless,
        JPEG2000,
        JPEGLSNearLossless,
        HTJ2K,
        JPEGBaseline8Bit,
        JPEGExtended12Bit,
    )
)
"""What we would like to take, lossless first; big endian (retired) and deflated are not taken."""

_BITS_STORED = {
    str(JPEGBaseline8Bit): 8,
    **{str(uid): 16 for uid in (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)},
}
_LARGEST_ERROR = {
    str(JPEGBaseline8Bit): 4,
    str(JPEGExtended12Bit): 64,
    str(JPEGLSNearLossless): 2,
    str(JPEG2000): 64,
    str(HTJ2K): 64,
}
"""In stored units, of the lossy ones; the others must be exact."""


def decodable_transfer_syntaxes() -> tuple[str, ...]:
    """Return the UIDs that the SCP may offer, in our order of preference.

    Each encapsulated one has just decoded a 16 x 16 image made by DCMTK, OpenJPEG, OpenJPH or pydicom.
    """
    with _silent_libraries():
        decoded = tuple(uid for uid in ENCAPSULATED if _decodes(uid))
    for uid in sorted(set(ENCAPSULATED) - set(decoded)):
        logger.warning("transfer syntax is not decoded here", extra={"transfer_syntax_uid": uid})
    return NATIVE + decoded


def sample_image(transfer_syntax_uid: str) -> tuple[Dataset, StoredValues]:
    """Return the sample of an encapsulated Transfer Syntax and the values it was made from."""
    bits = _BITS_STORED.get(transfer_syntax_uid, 12)
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
    original = ramp.astype(np.uint8) if bits == 8 else ramp * 16
    frame = files("dicom_node.imaging").joinpath("samples", transfer_syntax_uid).read_bytes()
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelRepresentation = 0
    dataset.BitsAllocated = 8 * original.itemsize
    dataset.BitsStored = bits
    dataset.PixelData = encapsulate([frame])
    return dataset, original


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Keep what C libraries print while they try (GDCM tries 8 bits before 12) off the operator's screen."""
    sys.stderr.flush()
    screen = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)


def _decodes(uid: str) -> bool:
    dataset, original = sample_image(uid)
    try:
        decoded = stored_frame(dataset, 0)
    except UnreadablePixels:
        return False
    difference = np.abs(decoded.astype(np.int32) - original.astype(np.int32)).max()
    return bool(difference <= _LARGEST_ERROR.get(uid, 0))
