"""COVIDx-CT 2A (Gunraj et al. 2021): 194,922 CT slices with the box around the body in each."""

import re
from collections.abc import Iterator
from pathlib import Path

from models.datasets.data_set import TEST, VALIDATION, DataSet, DataSetReader, Grouping, by_part, leak_warning
from models.datasets.image_files import FolderNotAsReleased, find_file, find_folder, names_in
from models.datasets.labels import COVID19, NORMAL, PNEUMONIA
from models.datasets.manifest import TRAIN, CropBox, ImageRow
from models.datasets.tables import read_table
from models.errors import ManifestInvalid

NAME = "covidxct"
_LABELS = {"0": NORMAL, "1": PNEUMONIA, "2": COVID19}
_SIDES = {TRAIN: "train", VALIDATION: "val", TEST: "test"}
# The name on Kaggle (where one download has Val_), in the repository's splits/v2, and the plain one.
_LISTS = ("{}_COVIDx_CT-2A.txt", "{}_COVIDx-CT_v2A.txt", "{}.txt")
# Without metadata.csv: CNCB is class_patient_scan_slice; LIDC-IDRI is patient-series-slice; COVID-CTset has
# patient<n> in the name; of a Radiopaedia file the case, study and stack follow (dataset_construction/*.py).
_PATIENT = re.compile(
    r"(?:CP|NCP|Normal)_\d+(?=_)|LIDC-IDRI-\d+|radiopaedia-\d+(?=-)|[^/]*?patient\d+(?=_)", re.IGNORECASE
)
_SLICE = re.compile(r"[-_]\d+$")
_LICENCE = "those of its collections (docs/licenses_acknowledgements.md of the COVIDNet-CT repository)"


def read(root: Path, seed: int) -> DataSet:
    """Read the three lists, a line ``filename class xmin ymin xmax ymax``; ``seed`` draws nothing here.

    The box is the body; the authors crop to it, and so does the pixel cache. A list without boxes is read
    too. Patients are those of ``metadata.csv`` where it is there, otherwise told from the names: of some
    collections (TCIA, COVID-19-20) that gives the scan.
    """
    del seed
    pictures = find_folder(root, "2A_images", "images") or root
    there, patients = names_in(pictures), _patients(root)
    listed = [row for part in _SIDES for row in _rows(root, pictures, part, patients)]
    rows = tuple(row for row in listed if Path(row.file).name in there)
    grouping = Grouping.PATIENT if patients else Grouping.PARTLY
    split = by_part(rows, rule="the lists of COVIDx-CT 2A", grouping=grouping)
    missing = len(listed) - len(rows)
    lost = (f"{NAME}: {missing} listed pictures are not there",) if missing else ()
    return DataSet(name=NAME, rows=rows, split=split, warnings=(*lost, *leak_warning(NAME, split)))


def _patients(root: Path) -> frozenset[str]:
    table = find_file(root, "metadata.csv")
    if table is None:
        return frozenset()
    rows = read_table(table)
    if not rows or "patient id" not in rows[0]:
        raise ManifestInvalid(table, "no column called patient id")
    return frozenset(row["patient id"] for row in rows)


def _rows(root: Path, pictures: Path, part: str, patients: frozenset[str]) -> Iterator[ImageRow]:
    path = _list(root, _SIDES[part])
    folder = "" if pictures == root else f"{pictures.relative_to(root).as_posix()}/"
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            words = line.split()
            if not words:
                continue
            if len(words) not in {2, 6} or words[1] not in _LABELS:
                raise ManifestInvalid(path, f"line {number} is not 'filename class xmin ymin xmax ymax'")
            yield ImageRow(
                file=f"{folder}{words[0]}",
                label=_LABELS[words[1]],
                source=NAME,
                group=f"covidxct-{_patient(words[0], patients)}",
                part=part,
                sha256="",
                licence=_LICENCE,
                crop=_box(path, number, words[2:]),
            )


def _list(root: Path, side: str) -> Path:
    names = [name.format(word) for name in _LISTS for word in (side, side.capitalize())]
    path = find_file(root, *names)
    if path is None:
        raise FolderNotAsReleased(root, names[0])
    return path


def _box(path: Path, number: int, words: list[str]) -> CropBox | None:
    if not words:
        return None
    try:
        left, top, right, bottom = map(int, words)
    except ValueError as error:
        raise ManifestInvalid(path, f"line {number} has a box that is not four whole numbers") from error
    if left >= right or top >= bottom:
        raise ManifestInvalid(path, f"line {number} has an empty box")
    return CropBox(left=left, top=top, right=right, bottom=bottom)


def _patient(name: str, patients: frozenset[str]) -> str:
    """Return the longest known patient that the name begins with, or the name's own word for it."""
    stem = name.rsplit(".", 1)[0]
    for end in range(len(stem), 0, -1):
        if (end == len(stem) or stem[end] in "-_") and stem[:end] in patients:
            return stem[:end]
    told = _PATIENT.match(stem)
    return told.group() if told else _SLICE.sub("", stem)


READER = DataSetReader(
    name=NAME,
    title="COVIDx-CT 2A, 194,922 slices of 3745 patients",
    paper="Gunraj et al., Front Med 8, 729287 (2022); used by Jia et al., Tables 10 to 14",
    licence=_LICENCE,
    layout="2A_images/, {train,val,test}_COVIDx_CT-2A.txt, metadata.csv (Kaggle hgunraj/covidxct, version 4)",
    # docs/dataset.md of the repository at version 2; the sums are those of Jia et al. section 6.1.
    published={
        (TRAIN, NORMAL): 35996,
        (TRAIN, PNEUMONIA): 25496,
        (TRAIN, COVID19): 82286,
        (VALIDATION, NORMAL): 11842,
        (VALIDATION, PNEUMONIA): 7400,
        (VALIDATION, COVID19): 6244,
        (TEST, NORMAL): 12245,
        (TEST, PNEUMONIA): 7395,
        (TEST, COVID19): 6018,
    },
    parse=read,
)
