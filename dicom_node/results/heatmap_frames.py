"""A multi-frame heat map as single images, for systems that take no other Secondary Capture."""

import copy
from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import UID, MultiFrameTrueColorSecondaryCaptureImageStorage, SecondaryCaptureImageStorage

_OF_MANY_FRAMES = (
    "NumberOfFrames",
    "FrameIncrementPointer",
    "FrameLabelVector",
    "SliceLocationVector",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)


def is_multi_frame_heatmap(sop_class_uid: str) -> bool:
    """Tell whether an output of the node is a heat map of several frames."""
    return sop_class_uid == MultiFrameTrueColorSecondaryCaptureImageStorage


def single_frames(heatmap: Dataset, sop_instance_uids: Sequence[str]) -> list[Dataset]:
    """Return each frame as a Secondary Capture Image of its own (PS3.3 A.8.1), in the order of the frames.

    Parameters
    ----------
    heatmap
        Multi-frame True Color Secondary Capture, not compressed, 8-bit RGB.
    sop_instance_uids
        One for each frame.
    """
    size = int(heatmap.Rows) * int(heatmap.Columns) * 3
    pixels = bytes(heatmap.PixelData)
    rest = Dataset()
    rest.update({element.tag: element for element in heatmap if element.keyword != "PixelData"})
    rest.file_meta = heatmap.file_meta
    return [
        _single(rest, number, uid, pixels[(number - 1) * size : number * size])
        for number, uid in enumerate(sop_instance_uids, start=1)
    ]


def _single(heatmap: Dataset, number: int, sop_instance_uid: str, pixels: bytes) -> Dataset:
    frame = copy.deepcopy(heatmap)
    labels = frame.get("FrameLabelVector")
    for keyword in _OF_MANY_FRAMES:
        frame.pop(keyword, None)
    frame.SOPClassUID = SecondaryCaptureImageStorage
    frame.SOPInstanceUID = UID(sop_instance_uid)
    frame.file_meta.MediaStorageSOPClassUID = frame.SOPClassUID
    frame.file_meta.MediaStorageSOPInstanceUID = frame.SOPInstanceUID
    frame.InstanceNumber = int(frame.get("InstanceNumber") or 1) * 100 + number
    if labels:
        frame.ImageComments = f"{frame.ImageComments}; {labels[number - 1]}"
    frame.SourceImageSequence = [frame.SourceImageSequence[number - 1]]
    frame.PixelData = pixels + b"\0" * (len(pixels) % 2)
    frame["PixelData"].VR = "OB"
    return frame
