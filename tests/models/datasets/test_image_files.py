"""Pictures are found in the order of their numbers, and a wrong folder is told what it lacks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.image_files import (
    FolderNotAsReleased,
    find_folder,
    names_in,
    natural_key,
    need_folder,
    pictures_below,
)
from models.errors import DataMissing


def test_numbers_in_names_are_ordered_as_numbers() -> None:
    names = ["Covid (10).png", "Covid (2).png", "Covid (1).png"]
    assert sorted(names, key=natural_key) == ["Covid (1).png", "Covid (2).png", "Covid (10).png"]


def test_notes_and_leftovers_of_an_archive_are_no_pictures(draw: Callable[..., Path]) -> None:
    root = draw("a/1.png", "a/b/2.JPG", "a/._1.png")
    (root / "a" / "readme.txt").write_text("no picture")
    assert [path.name for path in pictures_below(root)] == ["1.png", "2.JPG"]
    assert names_in(root / "a") == {"1.png"}
    assert names_in(root / "nowhere") == frozenset()


def test_a_folder_is_found_whatever_its_case_and_the_first_name_wins(draw: Callable[..., Path]) -> None:
    root = draw("Covid/1.png", "other/1.png")
    assert find_folder(root, "COVID", "other") == root / "Covid"
    assert find_folder(root, "missing") is None
    assert find_folder(root / "nowhere", "COVID") is None


def test_a_missing_folder_is_missing_data_and_names_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FolderNotAsReleased, match=r"expected a folder COVID/ or covid-19/") as raised:
        need_folder(tmp_path, "COVID", "covid-19")
    assert isinstance(raised.value, DataMissing)
    assert raised.value.path == tmp_path
