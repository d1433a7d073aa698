"""Tiny CR, DX and CT studies made with pydicom; the same arguments give the same bytes.

Any DICOM keyword may be given as an argument and replaces what would be written; None leaves it out::

    chest_film(ViewPosition="LL")          a lateral film
    chest_film(ImagerPixelSpacing=None)    without spacing
    compressed(chest_film(), JPEG2000Lossless)
"""

import io
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmwrite
from pydicom.config import disable_value_validation
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedCTImageStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from dicom_node.domain.identifiers import derived_uid
from tests.synthetic.phantoms import (
    chest_ct_pixels,
    chest_film_pixels,
    head_ct_pixels,
    limb_film_pixels,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
JAPANESE_NAME = "PHANTOM^FILM=模型^胸部=モケイ^キョウブ"

PhantomSlice = Callable[[int, float, float, int], npt.NDArray[np.int16]]


def chest_film(
    *,
    study: int = 1,
    number: int = 1,
    modality: str = "DX",
    size: tuple[int, int] = (256, 224),
    bits: int = 12,
    photometric: str = "MONOCHROME2",
    **attributes: Any,
) -> Dataset:
    """A frontal (PA) chest film of a drawn phantom; MONOCHROME1 shows the same image."""
    return _film(chest_film_pixels(*size, study), study, number, modality, bits, photometric, attributes)


def ankle_film(*, study: int = 2, number: int = 1, **attributes: Any) -> Dataset:
    """A film of a drawn lower leg that says so."""
    body = {"BodyPartExamined": "ANKLE", "StudyDescription": "PHANTOM ANKLE", "SeriesDescription": "ANKLE AP"}
    pixels = limb_film_pixels(256, 224, study)
    return _film(pixels, study, number, "CR", 12, "MONOCHROME2", {"ViewPosition": "AP", **body, **attributes})


def ct_series(
    *,
    study: int = 3,
    series: int = 1,
    slices: int = 5,
    size: int = 128,
    thickness_mm: float = 5.0,
    orientation: Sequence[float] = AXIAL,
    phantom: PhantomSlice = chest_ct_pixels,
    **attributes: Any,
) -> list[Dataset]:
    """A CT series of a drawn chest from the feet to the head, 12 bits unsigned with intercept -1024."""
    field_mm = 360.0 if phantom is chest_ct_pixels else 240.0
    normal = np.cross(orientation[:3], orientation[3:])
    datasets = []
    for index in range(slices):
        height = (index + 0.5) / slices
        dataset = _instance(CTImageStorage, "CT", study, series, index + 1)
        _describe(dataset, "CT CHEST", "CHEST")
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.ImageOrientationPatient = list(orientation)
        corner = np.array([-field_mm / 2, -field_mm / 2, 0.0]) + normal * index * thickness_mm
        dataset.ImagePositionPatient = [round(float(value), 3) for value in corner]
        dataset.SliceThickness = thickness_mm
        dataset.PixelSpacing = [field_mm / size, field_mm / size]
        dataset.KVP = "120"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
        dataset.WindowCenter, dataset.WindowWidth = -600, 1500
        dataset.FrameOfReferenceUID = derived_uid("synthetic", str(study), "frame of reference")
        dataset.PositionReferenceIndicator = ""
        hounsfield = phantom(size, field_mm, height, study)
        _set_pixels(dataset, (hounsfield + 1024).astype("<u2"), 12)
        datasets.append(_with(dataset, attributes))
    return datasets


def head_ct_series(*, study: int = 4, slices: int = 5, **attributes: Any) -> list[Dataset]:
    """A CT series of a drawn head that says so."""
    body = {"BodyPartExamined": "HEAD", "StudyDescription": "PHANTOM HEAD", "SeriesDescription": "CT HEAD"}
    return ct_series(study=study, slices=slices, phantom=head_ct_pixels, **{**body, **attributes})


def localizer(*, study: int = 3, series: int = 9, **attributes: Any) -> Dataset:
    """The scout of a chest CT: coronal, Image Type value 3 LOCALIZER."""
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesDescription": "SCOUT", **attributes}
    return ct_series(study=study, series=series, slices=1, orientation=CORONAL, **scout)[0]


def enhanced_ct(*, study: int = 5, slices: int = 5, size: int = 128, **attributes: Any) -> Dataset:
    """The chest phantom as one Enhanced CT Image, its frames stored from the head to the feet."""
    frames = ct_series(study=study, slices=slices, size=size)[::-1]
    first = frames[0]
    dataset = _instance(EnhancedCTImageStorage, "CT", study, 1, 1)
    _describe(dataset, "CT CHEST", "CHEST")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.NumberOfFrames = len(frames)
    dataset.FrameOfReferenceUID = first.FrameOfReferenceUID
    dataset.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[
                _item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)
            ],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
            PixelValueTransformationSequence=[
                _item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")
            ],
            CTImageFrameTypeSequence=[_item(FrameType=dataset.ImageType)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=frame.ImagePositionPatient)])
        for frame in frames
    ]
    _set_pixels(dataset, np.stack([stored_values(frame) for frame in frames]), 12)
    return _with(dataset, attributes)


def structured_report(*, study: int = 3, series: int = 8, **attributes: Any) -> Dataset:
    """An empty report, there to be passed over."""
    return _with(_instance(EnhancedSRStorage, "SR", study, series, 1), attributes)


def secondary_capture(*, study: int = 3, series: int = 7, **attributes: Any) -> Dataset:
    """A grey screen shot, there to be passed over."""
    dataset = _instance(SecondaryCaptureImageStorage, "OT", study, series, 1)
    _set_pixels(dataset, (255 * chest_film_pixels(64, 64, study)).astype("u1"), 8)
    return _with(dataset, attributes)


def compressed(dataset: Dataset, transfer_syntax_uid: str, **encoding: Any) -> Dataset:
    """A copy in implicit VR, RLE, JPEG-LS (.81 wants ``jls_error=2``) or J2K (.91 wants ``j2k_cr=[5]``)."""
    copy = deepcopy(dataset)
    if transfer_syntax_uid in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        copy.file_meta.TransferSyntaxUID = transfer_syntax_uid
    else:
        copy.compress(transfer_syntax_uid, generate_instance_uid=False, **encoding)
    return copy


def stored_values(dataset: Dataset) -> npt.NDArray[np.uint16]:
    """The native pixel values as written."""
    shape = (dataset.get("NumberOfFrames", 1), dataset.Rows, dataset.Columns)
    dtype = "<u2" if dataset.BitsAllocated == 16 else "u1"
    values = np.frombuffer(dataset.PixelData, dtype, count=int(np.prod(shape))).reshape(shape)
    return values if "NumberOfFrames" in dataset else values[0]


def part10(dataset: Dataset) -> bytes:
    """The dataset as a Part 10 file."""
    buffer = io.BytesIO()
    with disable_value_validation():
        dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def write(dataset: Dataset, path: Path) -> Path:
    """Write a Part 10 file; a folder gets ``<SOP Instance UID>.dcm``."""
    path = path / f"{dataset.SOPInstanceUID}.dcm" if path.is_dir() else path
    path.write_bytes(part10(dataset))
    return path


def write_all(datasets: Sequence[Dataset], folder: Path) -> list[Path]:
    """Write files in the order of the datasets."""
    return [write(dataset, folder) for dataset in datasets]


def _film(  # noqa: PLR0917 - the two films above say all
    pixels: npt.NDArray[np.float64],
    study: int,
    number: int,
    modality: str,
    bits: int,
    photometric: str,
    attributes: dict[str, Any],
) -> Dataset:
    sop_class = (
        DigitalXRayImageStorageForPresentation if modality == "DX" else ComputedRadiographyImageStorage
    )
    dataset = _instance(sop_class, modality, study, 1, number)
    _describe(dataset, "CHEST PA", "CHEST")
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.ViewPosition = "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImagerPixelSpacing = [1.6, 1.6]
    greatest = (1 << bits) - 1
    stored = np.rint(pixels * greatest)
    stored = greatest - stored if photometric == "MONOCHROME1" else stored
    _set_pixels(dataset, stored.astype("<u2" if bits > 8 else "u1"), bits, photometric)
    if modality == "DX":
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PresentationLUTShape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.WindowCenter, dataset.WindowWidth = 1 << bits - 1, 1 << bits
    return _with(dataset, attributes)


def _instance(sop_class: str, modality: str, study: int, series: int, number: int) -> Dataset:
    """What every instance has: UIDs from the numbers, a patient who is a phantom, a date."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    uid = derived_uid("synthetic", str(study), str(series), str(number), modality)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.StudyInstanceUID = derived_uid("synthetic", str(study))
    dataset.SeriesInstanceUID = derived_uid("synthetic", str(study), str(series))
    dataset.PatientName, dataset.PatientID = "PHANTOM^SYNTHETIC", f"PHANTOM{study}"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20260302"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = f"ACC{study}", ""
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = str(study), series, number
    dataset.Modality, dataset.Manufacturer = modality, "dicom-node tests"
    return dataset


def _describe(dataset: Dataset, series: str, body_part: str) -> None:
    dataset.StudyDescription, dataset.SeriesDescription = "PHANTOM CHEST, NOT A PATIENT", series
    dataset.BodyPartExamined = body_part


def _set_pixels(
    dataset: Dataset, stored: npt.NDArray[Any], bits: int, photometric: str = "MONOCHROME2"
) -> None:
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * stored.itemsize, bits, bits - 1
    dataset.PixelRepresentation = 1 if stored.dtype.kind == "i" else 0
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"


def _item(**attributes: Any) -> Dataset:
    return _with(Dataset(), attributes)


def _with(dataset: Dataset, attributes: dict[str, Any]) -> Dataset:
    with disable_value_validation():  # real devices write what the standard forbids
        for keyword, value in attributes.items():
            if keyword in dataset:
                delattr(dataset, keyword)
            if value is not None:
                setattr(dataset, keyword, value)
    if hasattr(dataset, "file_meta"):
        with disable_value_validation():
            for keyword in ("SOPInstanceUID", "SOPClassUID"):
                if f"MediaStorage{keyword}" in dataset.file_meta:
                    delattr(dataset.file_meta, f"MediaStorage{keyword}")
                setattr(dataset.file_meta, f"MediaStorage{keyword}", dataset.get(keyword, ""))
    return dataset
