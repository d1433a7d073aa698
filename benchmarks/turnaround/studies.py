"""What is sent to be timed: the real film and the real CT of the demo, each time as a study of its own."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

from examples.demo_studies import CHEST_CT


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedStudy:
    """A study on disk."""

    study_instance_uid: str
    sop_instance_uids: tuple[str, ...]
    paths: tuple[Path, ...]


def films(folder: Path, count: int) -> list[TimedStudy]:
    """Write the real film RG1 (CR, 1955 x 1841) so many times."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        raise SystemExit("the real film RG1 of pydicom-data is not installed: ./scripts/setup")
    return [_as_new([Path(path)], folder) for _ in range(count)]


def real_ct() -> list[Path]:
    """Return the slices of the real chest CT; empty where it is not here."""
    data = Path(os.environ.get("DICOM_NODE_DATA_DIR", "../shared/data"))
    return sorted((data / CHEST_CT).glob("*.dcm"))


def cts(folder: Path, slices: list[Path], count: int) -> list[TimedStudy]:
    """Write the CT so many times, compressed as it is (JPEG-LS)."""
    return [_as_new(slices, folder) for _ in range(count)]


def decompressed(study: TimedStudy, folder: Path) -> TimedStudy:
    """Write the same study again without compression, under identities of its own."""
    again = _as_new(list(study.paths), folder)
    for path in again.paths:
        dataset = pydicom.dcmread(path)
        dataset.decompress(generate_instance_uid=False)
        dataset.save_as(path, enforce_file_format=True)
    return again


def _as_new(originals: list[Path], folder: Path) -> TimedStudy:
    study, series, paths, uids = _new_uid(), _new_uid(), [], []
    folder = folder / study
    folder.mkdir(parents=True)
    for original in originals:
        dataset = pydicom.dcmread(original)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (
            study,
            series,
            _new_uid(),
        )
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        paths.append(folder / f"{dataset.SOPInstanceUID}.dcm")
        uids.append(str(dataset.SOPInstanceUID))
        dataset.save_as(paths[-1], enforce_file_format=True)
    return TimedStudy(study_instance_uid=study, sop_instance_uids=tuple(uids), paths=tuple(paths))


def _new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"
