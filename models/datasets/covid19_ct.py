"""COVID19-CT (UCSD-AI4H/COVID-CT, Zhao et al. 2020) with the repository's own split."""

import re
from collections.abc import Mapping
from pathlib import Path

from models.datasets.data_set import TEST, VALIDATION, DataSet, DataSetReader, Grouping, by_part, leak_warning
from models.datasets.image_files import FolderNotAsReleased, find_file, names_in, need_folder
from models.datasets.labels import COVID19, NON_COVID
from models.datasets.manifest import TRAIN, ImageRow
from models.datasets.tables import patients_by_file, stem

NAME, SOURCE = "covid19ct", "covid19-ct-ucsd"
_SIDES = {TRAIN: "train", VALIDATION: "val", TEST: "test"}
_FOLDERS = {COVID19: "COVID", NON_COVID: "NonCOVID"}
# The workbook is the repository's; the CSV is what many convert it to.
_TABLES = {
    COVID19: ("COVID-CT-MetaInfo.csv", "COVID-CT-MetaInfo.xlsx"),
    NON_COVID: ("NonCOVID-CT-MetaInfo.csv", "NonCOVID-CT-MetaInfo.xlsx"),
}
_FILE_COLUMNS = ("file name", "image name", "image")
_PATIENT_COLUMNS = ("patient id", "patient")
_PREPRINT = re.compile(r"(\d{4}\.\d{2}\.\d{2}\.\d+)")
_LICENCE = (
    "none for the pictures: copyright stays with the papers' authors and publishers (repository's README)"
)


def read(root: Path, seed: int) -> DataSet:
    """Read the pictures that the six lists of ``Data-split`` name; ``seed`` draws nothing here.

    Groups are patients where a metadata table lies beside the pictures. Without one, a COVID picture goes
    by the preprint that it was cut from (``2020.01.24.919183-p27-132.png``), which no patient is larger
    than, and any other picture by itself.
    """
    del seed
    rows: list[ImageRow] = []
    warnings: list[str] = []
    known = 0
    for label, folder in _FOLDERS.items():
        table = find_file(root, *_TABLES[label])
        patients = (
            patients_by_file(table, file=_FILE_COLUMNS, patient=_PATIENT_COLUMNS) if table is not None else {}
        )
        found, missing = _rows(root, label, folder, patients)
        known += sum(stem(Path(row.file).name) in patients for row in found)
        rows += found
        if table is None:
            warnings.append(f"{NAME}: no {_TABLES[label][0]}: patients of {label} are not known")
        if missing:
            warnings.append(f"{NAME}: {missing} listed pictures of {label} are not there")
    split = by_part(rows, rule="the repository's Data-split lists", grouping=_grouping(known, len(rows)))
    return DataSet(name=NAME, rows=tuple(rows), split=split, warnings=(*warnings, *leak_warning(NAME, split)))


def _rows(root: Path, label: str, folder: str, patients: Mapping[str, str]) -> tuple[list[ImageRow], int]:
    """Return the rows of one class and how many of its listed pictures are not there."""
    pictures = need_folder(need_folder(root, "Images-processed"), f"CT_{folder}")
    there = names_in(pictures)
    listed = [(name, part) for part, side in _SIDES.items() for name in _listed(root, folder, side)]
    rows = [
        ImageRow(
            file=(pictures / name).relative_to(root).as_posix(),
            label=label,
            source=SOURCE,
            group=f"covidct-{_group(name, patients)}",
            part=part,
            sha256="",
            licence=_LICENCE,
        )
        for name, part in listed
        if name in there
    ]
    return rows, len(listed) - len(rows)


def _listed(root: Path, folder: str, side: str) -> list[str]:
    path = root / "Data-split" / folder / f"{side}CT_{folder}.txt"
    if not path.is_file():
        raise FolderNotAsReleased(root, path.relative_to(root).as_posix())
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _group(name: str, patients: Mapping[str, str]) -> str:
    preprint = _PREPRINT.match(name)
    return patients.get(stem(name)) or (preprint.group(1) if preprint else name)


def _grouping(known: int, n: int) -> Grouping:
    if known == 0:
        return Grouping.SUBSTITUTE
    return Grouping.PATIENT if known == n else Grouping.PARTLY


READER = DataSetReader(
    name=NAME,
    title="COVID-CT, 746 slices cut from figures of preprints",
    paper="Zhao et al., arXiv 2003.13865; used by Xu et al., Tables II and V",
    licence=_LICENCE,
    layout=(
        "Images-processed/{CT_COVID,CT_NonCOVID}/ (unzipped), "
        "Data-split/{COVID,NonCOVID}/{train,val,test}CT_{COVID,NonCOVID}.txt, "
        "COVID-CT-MetaInfo.xlsx and NonCOVID-CT-MetaInfo.csv when there"
    ),
    # 425/118/203 in all; by class as in the lists of the repository (191+234, 60+58, 98+105).
    published={
        (TRAIN, COVID19): 191,
        (TRAIN, NON_COVID): 234,
        (VALIDATION, COVID19): 60,
        (VALIDATION, NON_COVID): 58,
        (TEST, COVID19): 98,
        (TEST, NON_COVID): 105,
    },
    parse=read,
)
