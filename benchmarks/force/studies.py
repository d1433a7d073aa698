"""Studies that are sent while everything is killed: small real films, and a few small drawn CTs."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from tests.synthetic import studies as synthetic

_SHRUNK = 4
"""A film of 1955 x 1841 becomes one of 488 x 460: the node, not its reading, is to be the bottleneck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentStudy:
    """A study as its sender has it."""

    study_instance_uid: str
    modality: str
    paths: dict[str, Path]
    """SOP Instance UID to Part 10 file."""


def write_studies(folder: Path, *, films: int, cts: int) -> list[SentStudy]:
    """Write so many studies with identities of their own; the CTs lie evenly among the films."""
    folder.mkdir(parents=True, exist_ok=True)
    template = _small_film()
    studies = [_film(template, folder) for _ in range(films)]
    for number in range(cts):
        studies.insert((number + 1) * len(studies) // (cts + 1), _ct(folder, number))
    return studies


def _small_film() -> pydicom.Dataset:
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        raise SystemExit("the real film RG1 of pydicom-data is not installed: ./scripts/setup")
    film = pydicom.dcmread(path)
    pixels = film.pixel_array
    rows, columns = (size // _SHRUNK for size in pixels.shape)
    cut = pixels[: rows * _SHRUNK, : columns * _SHRUNK].astype(np.uint32)
    small = cut.reshape(rows, _SHRUNK, columns, _SHRUNK).mean(axis=(1, 3)).astype(np.uint16)
    film.Rows, film.Columns = rows, columns
    film.PixelData = small.tobytes()
    return film


def _film(template: pydicom.Dataset, folder: Path) -> SentStudy:
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        template[keyword].value = _new_uid()
    template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
    template.PatientID = f"CHAOS-{template.SOPInstanceUID[-9:]}"
    path = folder / f"{template.SOPInstanceUID}.dcm"
    template.save_as(path, enforce_file_format=True)
    return SentStudy(
        study_instance_uid=str(template.StudyInstanceUID),
        modality="CR",
        paths={str(template.SOPInstanceUID): path},
    )


def _ct(folder: Path, number: int) -> SentStudy:
    slices = synthetic.ct_series(study=700 + number, slices=24, size=256)
    study, series = _new_uid(), _new_uid()
    for one in slices:
        one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID = study, series, _new_uid()
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    written = synthetic.write_all(slices, folder)
    uids = [str(one.SOPInstanceUID) for one in slices]
    return SentStudy(study_instance_uid=study, modality="CT", paths=dict(zip(uids, written, strict=True)))


def _new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"
