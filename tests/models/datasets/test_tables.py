"""Tables name the patient of a picture, as CSV and as a workbook."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from models.datasets.image_files import FolderNotAsReleased
from models.datasets.tables import patients_by_file, read_table, stem
from models.errors import ManifestInvalid

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_SHARED = f"<sst {_MAIN}><si><t>File name</t></si><si><r><t>Pat</t></r><r><t>ient ID</t></r></si></sst>"
# Column B of the second row is empty, as workbooks leave empty cells out.
_SHEET = f"""<worksheet {_MAIN}><sheetData>
<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>
<row r="2"><c r="A2" t="inlineStr"><is><t>a.png</t></is></c><c r="C2"><v>7</v></c></row>
</sheetData></worksheet>"""


def _workbook(path: Path) -> Path:
    with ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", _SHARED)
        book.writestr("xl/worksheets/sheet1.xml", _SHEET)
    return path


def test_a_workbook_reads_like_the_csv_of_it(tmp_path: Path) -> None:
    plain = tmp_path / "t.csv"
    plain.write_text("File name,,Patient ID\na.png,,7\n")
    expected = ({"file name": "a.png", "": "", "patient id": "7"},)
    assert read_table(_workbook(tmp_path / "t.xlsx")) == expected == read_table(plain)


def test_a_picture_is_known_with_and_without_its_suffix(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,Patient\n2020.01.24.919183-p27.png,one\n2020.02.10.20021584-p6,two\n,three\n")
    patients = patients_by_file(table, file=("file name", "image"), patient=("patient",))
    assert patients == {"2020.01.24.919183-p27": "one", "2020.02.10.20021584-p6": "two"}
    assert stem("2020.02.10.20021584-p6.jpg") == "2020.02.10.20021584-p6"


def test_a_short_line_has_empty_words_for_what_it_lacks(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1\n\n")
    assert read_table(table) == ({"a": "1", "b": ""},)


def test_a_table_without_the_column_is_refused_by_the_columns_name(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,age\na.png,40\n")
    with pytest.raises(ManifestInvalid, match="no column called patient id or patient"):
        patients_by_file(table, file=("image",), patient=("patient id", "patient"))


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.xlsx"
    table.write_bytes(b"no archive")
    with pytest.raises(ManifestInvalid, match="not a readable workbook"):
        read_table(table)


def test_an_empty_and_a_missing_table_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(ManifestInvalid, match="empty"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(FolderNotAsReleased, match=r"expected u\.csv"):
        read_table(tmp_path / "u.csv")
