"""Manifests of any folder, with as few columns as can be."""

from pathlib import Path

import pytest

from models.datasets.manifest import ImageRow
from models.errors import DataMissing, ManifestInvalid
from models.evaluation.rows import RowChoice, choose_rows, read_rows


def _written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "any.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_file_and_label_are_enough(tmp_path: Path) -> None:
    (row, unlabelled) = read_rows(_written(tmp_path, "label,file\nnormal,a/b.png\n,c.png\n"))
    assert row == ImageRow(
        file="a/b.png", label="normal", source="unnamed", group="a/b.png", part="all", sha256=""
    )
    assert unlabelled.label == ""


def test_every_column_is_kept_whatever_the_part_is_called(tmp_path: Path) -> None:
    text = "file,label,source,group,part,sha256,licence,view\na.png,x,s,g,official test,00,CC0,PA\n"
    (row,) = read_rows(_written(tmp_path, text))
    assert (row.source, row.group, row.part, row.licence) == ("s", "g", "official test", "CC0")


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (row,) = read_rows(_written(tmp_path, "file,label\na.png,x\n", "utf-8-sig"))
    assert row.file == "a.png"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("file\na.png\n", "columns missing: label"), ("file,label\n,x\n", "line 2 names no file")],
)
def test_what_is_needed_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ManifestInvalid, match=reason):
        read_rows(_written(tmp_path, text))


def test_no_manifest_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissing):
        read_rows(tmp_path / "none.csv")
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ManifestInvalid, match="UTF-8"):
        read_rows(path)


def test_held_out_rows_are_the_validation_rows_and_the_external_ones(tmp_path: Path) -> None:
    rows = read_rows(_written(tmp_path, "file,label,part\na,x,train\nb,x,train\nc,x,external\n"))
    assert [r.file for r in choose_rows(rows, RowChoice.HELD_OUT, frozenset({"b"}))] == ["b", "c"]
    assert [r.file for r in choose_rows(rows, RowChoice.EXTERNAL, frozenset({"b"}))] == ["c"]
    assert len(choose_rows(rows, RowChoice.ALL, frozenset())) == 3
