"""Lines of every version of the lists are understood, and version 3 is the papers'."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.covidx import READER
from models.datasets.image_files import FolderNotAsReleased
from models.errors import ManifestInvalid

_TRAIN = """3 SARS-Fig8a-day0.jpeg pneumonia cohen
COVID 119 COVID(119).png COVID-19 sirm
ANON196 CR.1.2.840.png COVID-19 actmed

003d8fa0 003d8fa0.png normal rsna
"""
_TEST = "47c78742 47c78742.png normal\n8 SARS-Fig5-day9.jpeg pneumonia\n"
_PICTURES = [
    "train/SARS-Fig8a-day0.jpeg",
    "train/COVID(119).png",
    "train/CR.1.2.840.png",
    "train/003d8fa0.png",
    "test/47c78742.png",
    "test/SARS-Fig5-day9.jpeg",
]


@pytest.fixture
def root(draw: Callable[..., Path]) -> Path:
    folder = draw(*_PICTURES)
    (folder / "train_COVIDx3.txt").write_text(_TRAIN)
    (folder / "test_COVIDx3.txt").write_text(_TEST)
    return folder


def test_a_line_gives_file_label_source_and_patient_with_and_without_a_space_or_a_source(root: Path) -> None:
    found = READER.read(root)
    assert [(row.file, row.label, row.source, row.group) for row in found.rows] == [
        ("train/SARS-Fig8a-day0.jpeg", "pneumonia", "covidx-cohen", "covidx-3"),
        ("train/COVID(119).png", "covid19", "covidx-sirm", "covidx-COVID 119"),
        ("train/CR.1.2.840.png", "covid19", "covidx-actmed", "covidx-ANON196"),
        ("train/003d8fa0.png", "normal", "covidx-rsna", "covidx-003d8fa0"),
        ("test/47c78742.png", "normal", "covidx", "covidx-47c78742"),
        ("test/SARS-Fig5-day9.jpeg", "pneumonia", "covidx", "covidx-8"),
    ]
    assert (len(found.split.training), len(found.split.test)) == (4, 2)


def test_the_published_films_sum_to_the_papers_13975() -> None:
    assert sum(READER.published.values()) == 13975


def test_version_3_is_read_where_several_lie_together(root: Path) -> None:
    (root / "labels").mkdir()
    for part in ("train", "test"):
        (root / "labels" / f"{part}_COVIDx8B.txt").write_text("1 a.png positive ricord\n")
    assert READER.read(root).split.rule == "the lists train_COVIDx3.txt and test_COVIDx3.txt"


def test_another_version_is_read_where_it_is_the_only_one(root: Path) -> None:
    for part in ("train", "test"):
        (root / f"{part}_COVIDx3.txt").rename(root / f"{part}_COVIDx_CXR-3B.txt")
    (root / "test_COVIDx_CXR-3B.txt").write_text("8 47c78742.png negative rsna\n")
    found = READER.read(root)
    assert found.split.rule == "the lists train_COVIDx_CXR-3B.txt and test_COVIDx_CXR-3B.txt"
    assert [row.label for row in found.split.test] == ["non_covid"]


def test_several_versions_without_version_3_are_refused(root: Path) -> None:
    for part in ("train", "test"):
        text = (root / f"{part}_COVIDx3.txt").read_text()
        (root / f"{part}_COVIDx3.txt").rename(root / f"{part}_COVIDx5.txt")
        (root / f"{part}_COVIDx2.txt").write_text(text)
    with pytest.raises(ManifestInvalid, match="2, 5; leave one"):
        READER.read(root)


def test_a_listed_film_that_is_not_there_is_left_out_and_reported(root: Path) -> None:
    (root / _PICTURES[0]).unlink()
    found = READER.read(root)
    assert len(found.rows) == 5
    assert "covidx: 1 listed pictures are not there" in found.warnings


def test_a_line_of_another_form_is_refused_with_its_number(root: Path) -> None:
    (root / "test_COVIDx3.txt").write_text("8 a.png normal\n9 b.png maybe cohen\n")
    with pytest.raises(ManifestInvalid, match="line 2 is not"):
        READER.read(root)


def test_a_folder_without_lists_is_told_which_are_expected(draw: Callable[..., Path]) -> None:
    with pytest.raises(FolderNotAsReleased, match=r"train_COVIDx3\.txt"):
        READER.read(draw(*_PICTURES))
