"""The lists give class and box; patients come from the table or from the name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.covidx_ct import READER
from models.datasets.data_set import Grouping, Leak
from models.datasets.image_files import FolderNotAsReleased
from models.datasets.manifest import CropBox
from models.errors import ManifestInvalid

_LISTS = {
    "train": [
        "NCP_96_1328_0032.png 2 9 94 512 405",
        "NCP_96_1329_0014.png 2 9 94 512 405",
        "CP_0_3131_0001.png 1 0 0 4 4",
    ],
    "val": ["137covid_patient1_SR_2_IM00001.png 2 1 1 3 3", "LIDC-IDRI-0009-1.3.6.1-0004.png 0 0 0 4 4"],
    "test": ["radiopaedia-77-88-0-0003.png 2 0 0 4 4"],
}


@pytest.fixture
def root(draw: Callable[..., Path]) -> Path:
    folder = draw(*(f"2A_images/{line.split()[0]}" for lines in _LISTS.values() for line in lines))
    for side, lines in _LISTS.items():
        (folder / f"{side}_COVIDx_CT-2A.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_classes_sides_and_boxes_are_those_of_the_lists(root: Path) -> None:
    found = READER.read(root)
    assert [row.label for row in found.split.training] == ["covid19", "covid19", "pneumonia"]
    assert [row.label for row in found.split.validation] == ["covid19", "normal"]
    assert found.rows[0].crop == CropBox(left=9, top=94, right=512, bottom=405)
    assert found.rows[0].file == "2A_images/NCP_96_1328_0032.png"


def test_without_a_table_patients_are_told_from_the_names_of_each_collection(root: Path) -> None:
    found = READER.read(root)
    assert [row.group for row in found.rows] == [
        "covidxct-NCP_96",
        "covidxct-NCP_96",
        "covidxct-CP_0",
        "covidxct-137covid_patient1",
        "covidxct-LIDC-IDRI-0009",
        "covidxct-radiopaedia-77",
    ]
    assert found.split.grouping is Grouping.PARTLY


def test_with_the_table_the_longest_patient_that_begins_the_name_is_taken(root: Path) -> None:
    names = ["NCP_9", "NCP_96", "CP_0", "137covid_patient1", "LIDC-IDRI-0009", "radiopaedia-77-88"]
    (root / "metadata.csv").write_text("patient id,source\n" + "\n".join(f"{name},x" for name in names))
    found = READER.read(root)
    assert found.rows[0].group == "covidxct-NCP_96"
    assert found.rows[-1].group == "covidxct-radiopaedia-77-88"
    assert found.split.leak is Leak.NONE


def test_the_published_sides_sum_to_the_papers() -> None:
    sides = dict.fromkeys(("train", "validation", "test"), 0)
    for (part, _), n in READER.published.items():
        sides[part] += n
    assert sides == {"train": 143_778, "validation": 25_486, "test": 25_658}


def test_the_repositorys_own_names_of_the_lists_are_read_without_boxes_too(root: Path) -> None:
    for side, lines in _LISTS.items():
        (root / f"{side}_COVIDx_CT-2A.txt").unlink()
        short = [" ".join(line.split()[:2]) for line in lines]
        (root / f"{side}_COVIDx-CT_v2A.txt").write_text("\n".join(short))
    rows = READER.read(root).rows
    assert len(rows) == 6
    assert {row.crop for row in rows} == {None}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.png 3 0 0 4 4", "line 2 is not"),
        ("a.png 2 0 0 4", "line 2 is not"),
        ("a.png 2 0 0 4 x", "not four whole numbers"),
        ("a.png 2 4 0 4 4", "empty box"),
    ],
)
def test_a_line_that_says_something_else_is_refused_with_its_number(
    root: Path, line: str, reason: str
) -> None:
    path = root / "val_COVIDx_CT-2A.txt"
    path.write_text(f"{_LISTS['val'][0]}\n{line}\n")
    with pytest.raises(ManifestInvalid, match=reason):
        READER.read(root)


def test_slices_that_are_not_there_are_left_out_and_reported(root: Path) -> None:
    (root / "2A_images" / "CP_0_3131_0001.png").unlink()
    found = READER.read(root)
    assert len(found.rows) == 5
    assert "covidxct: 1 listed pictures are not there" in found.warnings


def test_a_folder_with_lists_and_no_pictures_is_refused(root: Path) -> None:
    (root / "2A_images").rename(root / "elsewhere")
    with pytest.raises(FolderNotAsReleased, match="2A_images/"):
        READER.read(root)


def test_a_folder_without_a_list_is_told_which_one_is_expected(root: Path) -> None:
    (root / "test_COVIDx_CT-2A.txt").unlink()
    with pytest.raises(FolderNotAsReleased, match=r"test_COVIDx_CT-2A\.txt"):
        READER.read(root)
