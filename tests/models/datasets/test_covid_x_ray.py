"""78:20 is read as shares of the 98 films, or as the folders say."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.covid_x_ray import READER
from models.datasets.image_files import FolderNotAsReleased

_COVID = [f"covid/c{n}.jpg" for n in range(78)]
_NORMAL = [f"normal/n{n}.jpeg" for n in range(20)]


def test_the_full_set_gives_78_films_to_train_on_and_20_to_test_on(draw: Callable[..., Path]) -> None:
    found = READER.read(draw(*_COVID, *_NORMAL))
    assert len(found.split.training) == 78
    assert Counter(row.label for row in found.split.test) == {"covid19": 16, "normal": 4}
    assert "78:20 read as shares" in found.split.rule
    assert not any("published" in warning for warning in found.warnings)


def test_films_of_one_patient_are_drawn_together(draw: Callable[..., Path]) -> None:
    root = draw(*_COVID, *_NORMAL)
    lines = [f"{n // 3},c{n}.jpg" for n in range(78)]
    (root / "metadata.csv").write_text("patientid,filename\n" + "\n".join(lines))
    found = READER.read(root)
    assert len({row.group for row in found.rows if row.label == "covid19"}) == 26
    assert not found.split.shared_groups


def test_folders_train_and_test_are_the_split_where_they_are_there(draw: Callable[..., Path]) -> None:
    sides = {"train": 2, "test": 1}
    root = draw(
        *(
            f"{side}/{name}/{side}{n}.png"
            for side, films in sides.items()
            for name in ("covid", "NORMAL")
            for n in range(films)
        )
    )
    split = READER.read(root).split
    assert (len(split.training), len(split.test)) == (4, 2)
    assert split.rule == "the folders train/ and test/"


def test_a_folder_without_normal_films_is_refused_by_name(draw: Callable[..., Path]) -> None:
    with pytest.raises(FolderNotAsReleased, match="normal/"):
        READER.read(draw("covid/a.png"))
