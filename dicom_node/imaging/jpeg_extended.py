"""JPEG Extended (Process 2 and 4) of 8 and 12 bits through GDCM, as a pydicom decoder plug-in.

pydicom's own GDCM plug-in turns 12 bits away. GDCM 3 reads them right: the start-up check decodes a known
12-bit image, and a test compares with DCMTK.
"""

import gdcm
from pydicom.pixels.decoders.base import DecodeRunner, JPEGExtended12BitDecoder
from pydicom.uid import JPEGExtended12Bit

PLUGIN = "gdcm-12bit"
DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("gdcm>=3.0.10",)}


def register() -> None:
    """Make the plug-in known to pydicom in this process; again is harmless."""
    if PLUGIN not in JPEGExtended12BitDecoder.available_plugins:
        JPEGExtended12BitDecoder.add_plugin(PLUGIN, (__name__, "decode_frame"))


def is_available(uid: str) -> bool:
    """Tell pydicom whether this plug-in decodes the Transfer Syntax."""
    return uid == JPEGExtended12Bit


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Return the samples of one encoded frame as pydicom's ``runner`` describes it, little endian.

    Raises
    ------
    ValueError
        GDCM cannot decode the stream.
    """
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())

    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(
            gdcm.PhotometricInterpretation.GetPIType(str(runner.photometric_interpretation))
        )
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    bits = runner.bits_stored
    image.SetPixelFormat(
        gdcm.PixelFormat(
            runner.samples_per_pixel, runner.bits_allocated, bits, bits - 1, runner.pixel_representation
        )
    )
    image.SetDataElement(element)
    samples = image.GetBuffer()
    if samples is None:
        raise ValueError("GDCM cannot decode the JPEG stream")
    return bytes(samples.encode("utf-8", "surrogateescape"))
