"""The repository's lists are the split; its tables tell the patients."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.covid19_ct import READER
from models.datasets.data_set import Grouping, Leak
from models.datasets.image_files import FolderNotAsReleased

_COVID = {
    "train": ["2020.01.24.919183-p27-132.png", "2020.01.24.919183-p27-133.png"],
    "val": ["2020.02.10.20021584-p6-52%0.png"],
    "test": ["kjr-21-e24-g1.jpg"],
}
_NON_COVID = {"train": ["0.jpg", "1.jpg"], "val": ["2.jpg"], "test": ["3.jpg"]}
_PICTURES = [
    *(f"Images-processed/CT_COVID/{name}" for names in _COVID.values() for name in names),
    *(f"Images-processed/CT_NonCOVID/{name}" for names in _NON_COVID.values() for name in names),
]


@pytest.fixture
def root(draw: Callable[..., Path]) -> Path:
    folder = draw(*_PICTURES)
    for name, lists in (("COVID", _COVID), ("NonCOVID", _NON_COVID)):
        for side, names in lists.items():
            path = folder / "Data-split" / name / f"{side}CT_{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(names) + "\n\n")
    return folder


def _tables(root: Path, third: str) -> None:
    patients = ["Patient 1", "Patient 1", third, "Patient 3"]
    names = [name for names in _COVID.values() for name in names]
    lines = [f"{name},{who}" for name, who in zip(names, patients, strict=True)]
    (root / "COVID-CT-MetaInfo.csv").write_text("File name,Patient ID\n" + "\n".join(lines))
    lines = [f"{n},{n}.jpg,crawled_patient_{n}" for n in range(4)]
    (root / "NonCOVID-CT-MetaInfo.csv").write_text(",image name,patient id\n" + "\n".join(lines))


def test_the_lists_are_the_three_sides(root: Path) -> None:
    split = READER.read(root).split
    assert [len(side) for side in (split.training, split.validation, split.test)] == [4, 2, 2]
    assert {row.label for row in split.test} == {"covid19", "non_covid"}
    assert all((root / row.file).is_file() for row in READER.read(root).rows)


def test_the_published_sides_sum_to_the_papers_425_118_and_203() -> None:
    sides = {part: 0 for part, _ in READER.published}
    for (part, _), n in READER.published.items():
        sides[part] += n
    assert sides == {"train": 425, "validation": 118, "test": 203}


def test_with_both_tables_every_group_is_a_patient_and_nothing_leaks(root: Path) -> None:
    _tables(root, third="Patient 2")
    found = READER.read(root)
    assert found.split.grouping is Grouping.PATIENT
    assert found.split.leak is Leak.NONE
    assert {row.group for row in found.split.training} == {
        "covidct-Patient 1",
        "covidct-crawled_patient_0",
        "covidct-crawled_patient_1",
    }


def test_a_patient_whom_the_lists_put_on_two_sides_is_found(root: Path) -> None:
    _tables(root, third="Patient 1")
    assert READER.read(root).split.shared_groups == {"covidct-Patient 1"}


def test_without_tables_a_preprint_is_one_group_and_the_reader_says_so(root: Path) -> None:
    found = READER.read(root)
    assert found.split.grouping is Grouping.SUBSTITUTE
    assert {row.group for row in found.split.training if row.label == "covid19"} == {
        "covidct-2020.01.24.919183"
    }
    assert sum("are not known" in warning for warning in found.warnings) == 2


def test_a_listed_picture_that_is_not_there_is_left_out_and_reported(root: Path) -> None:
    (root / _PICTURES[0]).unlink()
    found = READER.read(root)
    assert len(found.rows) == 7
    assert "covid19ct: 1 listed pictures of covid19 are not there" in found.warnings


def test_a_clone_whose_archives_are_still_packed_is_refused_by_name(root: Path) -> None:
    (root / "Images-processed" / "CT_COVID").rename(root / "elsewhere")
    with pytest.raises(FolderNotAsReleased, match="CT_COVID/"):
        READER.read(root)


def test_a_clone_without_a_list_is_refused_by_the_lists_name(root: Path) -> None:
    (root / "Data-split" / "COVID" / "valCT_COVID.txt").unlink()
    with pytest.raises(FolderNotAsReleased, match=r"Data-split/COVID/valCT_COVID\.txt"):
        READER.read(root)
