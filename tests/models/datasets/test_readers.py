"""Every reader is known by its name and says what it reads."""

from pathlib import Path

import pytest

from models.datasets.readers import READERS
from models.errors import DataMissing


def test_every_data_set_of_the_papers_has_a_reader() -> None:
    papers = {"sarscov2ct", "covid19ct", "covidxray", "xray5k", "cxr5", "covidx", "covidxct"}
    assert papers <= set(READERS)
    assert all(READERS[name].published for name in papers)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_says_title_paper_licence_and_layout(name: str) -> None:
    reader = READERS[name]
    assert reader.name == name
    assert all((reader.title, reader.paper, reader.licence, reader.layout))


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_is_not_there_is_missing_data_for_every_reader(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="nowhere"):
        READERS[name].read(tmp_path / "nowhere")
