"""Stored values of one frame, decoded within limits, with every failure told as UnreadablePixels."""

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom_node.domain.identifiers import SOPInstanceUID, is_uid
from dicom_node.errors import UnreadablePixels
from dicom_node.imaging import jpeg_extended

MAXIMUM_PIXELS_PER_FRAME = 1 << 26
"""8192 x 8192; the largest detectors have a quarter of it."""
MAXIMUM_PIXELS_PER_INSTANCE = 1 << 28
"""1024 frames of 512 x 512."""

StoredValues = npt.NDArray[np.integer]

DECODING_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    OSError,
)
"""What pydicom and its plug-ins raise for broken pixel data."""

_FASTEST_PLUGINS = (jpeg_extended.PLUGIN, "pylibjpeg", "pyjpegls", "gdcm", "pillow", "pydicom")
"""In order of measured speed; GDCM late also because it lets some damaged streams pass."""

jpeg_extended.register()


def frame_count(dataset: Dataset) -> int:
    """Return Number of Frames (0028,0008), 1 where it is absent.

    Raises
    ------
    UnreadablePixels
        It is not a positive number, or all frames together are above ``MAXIMUM_PIXELS_PER_INSTANCE``.
    """
    frames = 1 if dataset.get("NumberOfFrames") is None else _positive(dataset, "NumberOfFrames")
    rows, columns = _positive(dataset, "Rows"), _positive(dataset, "Columns")
    if rows * columns > MAXIMUM_PIXELS_PER_FRAME or rows * columns * frames > MAXIMUM_PIXELS_PER_INSTANCE:
        raise UnreadablePixels(f"{frames} x {rows} x {columns} pixels are above the limit")
    return frames


def sop_instance_uid(dataset: Dataset) -> SOPInstanceUID:
    """Return the SOP Instance UID, empty where it is absent.

    Raises
    ------
    UnreadablePixels
        It is malformed.
    """
    uid = str(dataset.get("SOPInstanceUID") or "")
    if uid and not is_uid(uid):
        raise UnreadablePixels("the SOP Instance UID is malformed")
    return SOPInstanceUID(uid)


def stored_frame(dataset: Dataset, index: int) -> StoredValues:
    """Return the stored values of one monochrome frame, (rows, columns), before any LUT.

    Raises
    ------
    UnreadablePixels
        No or truncated pixel data, colour, more than 16 bits, too large, or a stream that cannot be decoded.
    """
    _check_monochrome(dataset)
    frame_count(dataset)
    transfer_syntax = _transfer_syntax(dataset)
    try:
        decoder = get_decoder(transfer_syntax)
        plugin = _fastest(decoder.available_plugins)
        values, _ = decoder.as_array(dataset, index=index, raw=True, decoding_plugin=plugin)
    except DECODING_ERRORS as error:
        raise UnreadablePixels(f"pixel data cannot be decoded: {_first_words(error)}") from error
    if values.shape != (dataset.Rows, dataset.Columns) or values.dtype.kind not in "iu":
        raise UnreadablePixels(f"pixel data decode to {values.dtype}{list(values.shape)}")
    return values


def stored_range(dataset: Dataset) -> tuple[int, int]:
    """Return the least and the greatest value that Bits Stored and Pixel Representation allow."""
    bits = int(dataset.BitsStored)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dataset.PixelRepresentation else (0, (1 << bits) - 1)


def padding_mask(dataset: Dataset, values: StoredValues) -> npt.NDArray[np.bool_] | None:
    """Return where Pixel Padding Value .. Pixel Padding Range Limit lie (PS3.3 C.7.5.1.1.2), None without."""
    padding = dataset.get("PixelPaddingValue")
    if not isinstance(padding, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = sorted(_as_stored(dataset, end) for end in (padding, limit if isinstance(limit, int) else padding))
    return (values >= ends[0]) & (values <= ends[1])


def _as_stored(dataset: Dataset, value: int) -> int:
    """Read the 16 bits with the sign of the pixels: writers often use the other VR (US for SS)."""
    value &= 0xFFFF
    return value - 0x10000 if dataset.PixelRepresentation and value > 0x7FFF else value


def _check_monochrome(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        raise UnreadablePixels("there are no pixel data")
    photometric = dataset.get("PhotometricInterpretation", "")
    if dataset.get("SamplesPerPixel", 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadablePixels(f"pixels are {photometric or 'of unknown kind'}, not a grey image")
    if _positive(dataset, "BitsAllocated") > 16 or _positive(dataset, "BitsStored") > dataset.BitsAllocated:
        raise UnreadablePixels(f"pixels of {dataset.BitsStored} in {dataset.BitsAllocated} bits are not read")
    if dataset.get("PixelRepresentation") not in (0, 1):
        raise UnreadablePixels("Pixel Representation is missing")


def _transfer_syntax(dataset: Dataset) -> UID:
    transfer_syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if not transfer_syntax:
        raise UnreadablePixels("Transfer Syntax is not known")
    return UID(transfer_syntax)


def _fastest(available: tuple[str, ...]) -> str:
    """Choose a plug-in; native Transfer Syntaxes have none and need none."""
    return next((name for name in _FASTEST_PLUGINS if name in available), "")


def _positive(dataset: Dataset, keyword: str) -> int:
    try:
        value = int(dataset[keyword].value)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadablePixels(f"{keyword} is missing or malformed") from error
    if value <= 0:
        raise UnreadablePixels(f"{keyword} is {value}")
    return value


def _first_words(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.removeprefix("Unable to decode as exceptions were raised by all available plugins: ")[:200]
