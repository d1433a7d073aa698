"""The project's manifests split by patient, and external collections are the test."""

from pathlib import Path

import pytest

from models.datasets.project_manifests import FILMS
from models.errors import DataMissing


def test_external_rows_are_the_test_and_their_groups_are_nowhere_else(tmp_path: Path) -> None:
    lines = [f"{n}.jpg,{'ab'[n % 2]},here,g{n // 4},train" for n in range(80)]
    lines += ["far0.jpg,a,far,g0,external", "far1.jpg,b,far,other,external"]
    (tmp_path / "cxr.csv").write_text("file,label,source,group,part\n" + "\n".join(lines))
    split = FILMS.read(tmp_path).split
    assert [row.file for row in split.test] == ["far0.jpg", "far1.jpg"]
    assert len(split.training) + len(split.validation) == 76
    assert split.validation
    assert not split.shared_groups


def test_a_folder_without_the_manifest_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"cxr\.csv"):
        FILMS.read(tmp_path)
