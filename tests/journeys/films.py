"""Real films with identities of their own, so that every journey sends a study that nobody sent before."""

import uuid
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

PATIENT_NAME = "SECRET^JOURNEY"


def real_film(name: str = "RG1_UNCR.dcm") -> Dataset:
    """A real film of pydicom-data with new UIDs and a patient who must never be logged."""
    path = get_testdata_file(name, download=False)
    assert path is not None, "pydicom-data is not installed"
    film = pydicom.dcmread(path)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        film[keyword].value = f"2.25.{uuid.uuid4().int}"
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.PatientName, film.PatientID = PATIENT_NAME, f"SECRET-{film.SOPInstanceUID[-9:]}"
    film.AccessionNumber = f"SECRETACC{film.SOPInstanceUID[-6:]}"
    return film


def saved(dataset: Dataset, folder: Path) -> Path:
    """Write the film and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def second_view(film: Dataset) -> Dataset:
    """Another instance of the same study and series."""
    second = pydicom.dcmread(film.filename)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "PatientName", "PatientID", "AccessionNumber"):
        setattr(second, keyword, getattr(film, keyword))
    second.SOPInstanceUID = f"2.25.{uuid.uuid4().int}"
    second.file_meta.MediaStorageSOPInstanceUID = second.SOPInstanceUID
    second.InstanceNumber = "2"
    return second
