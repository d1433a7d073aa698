"""Encoding an Instance in another Transfer Syntax, without loss, where its receiver asks for that."""

from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.stored_pixels import DECODING_ERRORS, frame_count

_ENCODERS = {str(JPEG2000Lossless): "pylibjpeg", str(RLELossless): "pylibjpeg"}


def can_compress_to(transfer_syntax_uid: str) -> bool:
    """Tell whether the installed libraries write this Transfer Syntax."""
    if transfer_syntax_uid not in _ENCODERS:
        return False
    encoder = get_encoder(transfer_syntax_uid)
    return bool(encoder.is_available)


def transcode(dataset: Dataset, transfer_syntax_uid: str) -> None:
    """Encode the Instance in another Transfer Syntax, in place; its pixels stay the same values.

    Raises
    ------
    UnreadablePixels
        The pixel data cannot be decoded, or not be written like that.
    """
    target, source = UID(transfer_syntax_uid), dataset.file_meta.TransferSyntaxUID
    try:
        if source.is_encapsulated and "PixelData" in dataset:
            frame_count(dataset)  # within the limits
            dataset.decompress(as_rgb=False, generate_instance_uid=False)
        if target.is_encapsulated:
            plugin = _ENCODERS.get(transfer_syntax_uid, "")
            dataset.compress(target, encoding_plugin=plugin, generate_instance_uid=False)
    except DECODING_ERRORS as error:
        raise UnreadablePixels(f"{source.name} to {target.name}: {error}") from error
    _settle_pixel_data(dataset, target)


def _settle_pixel_data(dataset: Dataset, target: UID) -> None:
    """Write the syntax down; native pixel data of more than 8 bits are OW (PS3.5 A.1, A.2)."""
    dataset.file_meta.TransferSyntaxUID = target
    if not target.is_encapsulated and "PixelData" in dataset:
        is_bytes = target == ExplicitVRLittleEndian and int(dataset.BitsAllocated) <= 8
        dataset["PixelData"].VR = "OB" if is_bytes else "OW"
