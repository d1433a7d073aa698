"""Manifests say what they must; external collections and their patients never train."""

from pathlib import Path

import pytest

from models.datasets.manifest import ImageRow, external, read_manifest, trainable
from models.errors import DataMissing, ManifestInvalid


def _row(label: str, group: str, part: str = "train", source: str = "a") -> ImageRow:
    return ImageRow(
        file=f"{label}{group}{part}", label=label, source=source, group=group, part=part, sha256=""
    )


def test_a_manifest_that_is_not_there_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"cxr\.csv"):
        read_manifest(tmp_path / "cxr.csv")


def test_a_manifest_without_a_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cxr.csv"
    path.write_text("file,label,source,part\na.jpg,normal,x,train\n")
    with pytest.raises(ManifestInvalid, match="group"):
        read_manifest(path)


def test_a_row_without_a_label_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cxr.csv"
    path.write_text("file,label,source,group,part\na.jpg,normal,x,g,train\nb.jpg,,x,g,train\n")
    with pytest.raises(ManifestInvalid, match="line 3"):
        read_manifest(path)


def test_a_row_without_a_group_is_a_group_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cxr.csv"
    path.write_text("file,label,source,group,part\na.jpg,normal,x,,train\n")
    assert read_manifest(path)[0].group == "a.jpg"


def test_external_rows_and_their_groups_never_train() -> None:
    rows = [
        _row("covid19", "1"),
        _row("covid19", "2"),
        _row("covid19", "2", part="external", source="far"),
        _row("unspecified", "3"),
        _row("covid19", "4", source="forbidden"),
    ]
    assert [row.group for row in trainable(rows, ("covid19",), ("a", "far"))] == ["1"]
    assert [row.source for row in external(rows)] == ["far"]
