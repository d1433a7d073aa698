"""The fixed test has its number of each class, the folds are of the rest, and no patient is in both."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets import five_class_cxr
from models.datasets.five_class_cxr import FILMS, READER, cross_validation
from models.datasets.image_files import FolderNotAsReleased
from models.datasets.label_merges import LabelMerge, merge_labels


@pytest.fixture
def root(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(five_class_cxr, "TEST_PER_CLASS", 10)
    sizes = {
        "covid19": 30,
        "tuberculosis": 20,
        "normal": 20,
        "pneumonia_bacterial": 40,
        "pneumonia_viral": 20,
    }
    monkeypatch.setattr(five_class_cxr, "FILMS", sizes)
    return draw(
        *(f"DS4/COVID/COVID ({n}).png" for n in range(30)),
        *(f"DS4/NORMAL/NORMAL ({n}).png" for n in range(20)),
        *(f"DS5/ChinaSet_AllFiles/CXR_png/CHNCXR_{n:04d}_1.png" for n in range(20)),
        *(f"DS7/person{n // 3}_bacteria_{n}.jpeg" for n in range(60)),
        *(f"DS7/person{100 + n // 2}_virus_{n}.jpeg" for n in range(20)),
    )


def test_the_test_has_the_same_number_of_each_class_and_the_surplus_is_not_taken(root: Path) -> None:
    split = READER.read(root).split
    assert set(Counter(row.label for row in split.test).values()) == {10}
    assert Counter(row.label for row in split.training)["pneumonia_bacterial"] == 30
    assert not split.validation


def test_no_patient_is_in_the_test_and_in_a_fold_nor_on_both_sides_of_a_fold(root: Path) -> None:
    found = READER.read(root)
    assert not found.split.shared_groups
    folds = cross_validation(found)
    assert len(folds) == 5
    for fold in folds:
        assert not {row.group for row in fold.training} & {row.group for row in fold.validation}
    validated = Counter(row.file for fold in folds for row in fold.validation)
    assert validated == Counter(row.file for row in found.split.training)


def test_the_draw_follows_the_seed(root: Path) -> None:
    tests = [{row.file for row in READER.read(root, seed=seed).split.test} for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_merged_tests_hold_what_the_classes_held(root: Path) -> None:
    test = READER.read(root).split.test
    assert Counter(row.label for row in merge_labels(test, LabelMerge.THREE)) == {
        "covid19": 10,
        "normal": 10,
        "non_covid_infection": 30,
    }


def test_of_a_class_with_half_the_films_half_the_test_is_drawn(root: Path) -> None:
    for path in sorted((root / "DS4" / "COVID").iterdir())[:15]:
        path.unlink()
    assert Counter(row.label for row in READER.read(root).split.test)["covid19"] == 5


def test_missing_collections_and_classes_of_one_source_are_said(root: Path) -> None:
    warnings = READER.read(root).warnings
    assert "cxr5: no folder DS1/" in warnings
    assert any("DS5 hold one class each" in warning for warning in warnings)


def test_the_published_films_are_those_of_the_papers_table() -> None:
    sides: Counter[str] = Counter()
    for (part, _), n in READER.published.items():
        sides[part] += n
    assert sides == {"train": 6592, "test": 1000}
    assert sum(FILMS.values()) == 7592


def test_a_folder_without_any_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderNotAsReleased, match="DS1/ covid-chestxray-dataset, DS2/"):
        READER.read(tmp_path)
