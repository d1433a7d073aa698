"""The release's folders are the split, and a CheXpert patient is one group."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.covid_xray_5k import READER
from models.datasets.data_set import Leak
from models.datasets.image_files import FolderNotAsReleased

_FILMS = [
    "train/covid/a.jpg",
    "train/non/patient00001_study1_view1_frontal.jpg",
    "train/non/patient00001_study2_view1_frontal.jpg",
    "test/covid/b.jpg",
    "test/non/Edema/patient00002_study1_view1_frontal.jpg",
]


def test_folders_are_sides_and_classes_and_folders_by_finding_are_looked_into(
    draw: Callable[..., Path],
) -> None:
    found = READER.read(draw(*_FILMS))
    assert sorted((row.part, row.label) for row in found.rows) == [
        ("test", "covid19"),
        ("test", "non_covid"),
        ("train", "covid19"),
        ("train", "non_covid"),
        ("train", "non_covid"),
    ]
    assert "xray5k: train non_covid: 2000 published, 2 found" in found.warnings


def test_studies_of_a_chexpert_patient_are_one_group(draw: Callable[..., Path]) -> None:
    groups = {row.group for row in READER.read(draw(*_FILMS)).split.training}
    assert groups == {"xray5k-covid19-a", "xray5k-non_covid-patient00001"}


def test_a_patient_whom_the_release_put_on_both_sides_is_a_certain_leak(draw: Callable[..., Path]) -> None:
    root = draw(*_FILMS, "test/non/patient00001_study3_view1_frontal.jpg")
    assert READER.read(root).split.leak is Leak.CERTAIN


def test_the_table_of_the_covid_collection_names_its_patients(draw: Callable[..., Path]) -> None:
    root = draw(*_FILMS)
    (root / "metadata.csv").write_text("patientid,filename\n7,a.jpg\n7,b.jpg\n")
    assert READER.read(root).split.shared_groups == {"xray5k-covid19-7"}


def test_a_second_side_called_val_is_the_test(draw: Callable[..., Path]) -> None:
    root = draw(*(name.replace("test/", "val/") for name in _FILMS))
    assert len(READER.read(root).split.test) == 2


def test_a_folder_without_a_test_side_is_refused_by_name(draw: Callable[..., Path]) -> None:
    with pytest.raises(FolderNotAsReleased, match="test/ or val/"):
        READER.read(draw(*_FILMS[:3]))
