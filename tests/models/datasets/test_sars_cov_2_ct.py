"""The paper's split leaks and says so; the split by blocks keeps a block on one side."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.data_set import Leak
from models.datasets.image_files import FolderNotAsReleased
from models.datasets.sars_cov_2_ct import BY_BLOCK, BY_IMAGE


@pytest.fixture
def root(draw: Callable[..., Path]) -> Path:
    covid = [f"COVID/Covid ({n}).png" for n in range(1, 201)]
    return draw(*covid, *(f"non-COVID/Non-Covid ({n}).png" for n in range(1, 161)))


def test_the_papers_split_holds_a_fifth_of_each_class_and_certainly_leaks(root: Path) -> None:
    found = BY_IMAGE.read(root)
    assert Counter(row.label for row in found.split.validation) == {"covid19": 40, "non_covid": 32}
    assert len(found.split.training) == 288
    assert found.split.leak is Leak.CERTAIN
    assert "leaky" in found.split.rule
    assert any("too good" in warning for warning in found.warnings)


def test_the_split_by_blocks_shares_no_block_and_says_it_is_not_the_papers(root: Path) -> None:
    found = BY_BLOCK.read(root)
    assert not found.split.shared_groups
    assert found.split.leak is Leak.POSSIBLE
    assert found.split.validation
    assert "not the paper's" in found.split.rule


def test_neighbours_by_number_are_one_block_and_classes_never_share_one(root: Path) -> None:
    groups = {row.file: row.group for row in BY_BLOCK.read(root).rows}
    assert groups["COVID/Covid (41).png"] == groups["COVID/Covid (79).png"] == "soares-covid19-block01"
    assert groups["COVID/Covid (39).png"] == "soares-covid19-block00"
    assert groups["non-COVID/Non-Covid (41).png"] == "soares-non_covid-block01"


def test_another_seed_draws_other_pictures(root: Path) -> None:
    drawn = [{row.file for row in BY_IMAGE.read(root, seed=seed).split.validation} for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_partial_copy_is_counted_against_the_2482_published_slices(root: Path) -> None:
    warnings = BY_IMAGE.read(root).warnings
    assert "sarscov2ct: all covid19: 1252 published, 200 found" in warnings
    assert "sarscov2ct: all non_covid: 1230 published, 160 found" in warnings


def test_a_folder_without_the_negatives_is_refused_by_name(draw: Callable[..., Path]) -> None:
    with pytest.raises(FolderNotAsReleased, match="non-COVID/"):
        BY_IMAGE.read(draw("COVID/Covid (1).png"))
