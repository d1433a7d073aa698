"""COVID X-ray, the 98 films of Xu et al. IV-E: of public collections, but never released as a set."""

from collections import Counter
from pathlib import Path

from models.datasets.data_set import (
    ALL,
    TEST,
    DataSet,
    DataSetReader,
    Grouping,
    by_part,
    leak_warning,
    with_part,
)
from models.datasets.image_files import find_file, find_folder, need_folder, pictures_below
from models.datasets.labels import COVID19, NORMAL
from models.datasets.manifest import TRAIN, ImageRow
from models.datasets.split import hold_out
from models.datasets.tables import patients_by_file, stem

NAME = "covidxray"
TEST_SHARE = 20 / 98
_FOLDERS = {COVID19: ("covid", "covid-19", "covid19"), NORMAL: ("normal",)}
_SOURCES = {COVID19: "covid-chestxray-dataset", NORMAL: "kaggle-chest-xray-pneumonia"}
_LICENCE = "a licence for each film (covid-chestxray-dataset); CC BY 4.0 (Kermany et al., by way of Kaggle)"


def read(root: Path, seed: int) -> DataSet:
    """Read two folders of films; where there are train/ and test/, they are the split.

    "We divided it into training and test sets in the ratio 78:20" [Xu et al. IV-A] is ambiguous: 78 and 20
    are also the numbers of COVID and normal films. Read as written, 78 of the 98 films train and 20 test;
    which ones is not said. We draw 20/98 of each class by group (16 COVID, 4 normal films of the full set).
    A ``metadata.csv`` of covid-chestxray-dataset beside the folders gives the patients of its films.
    """
    table = find_file(root, "metadata.csv")
    patients = patients_by_file(table, file=("filename",), patient=("patientid",)) if table else {}
    train, test = find_folder(root, "train"), find_folder(root, "test")
    if train and test:
        rows = (*_rows(root, train, TRAIN, patients), *_rows(root, test, TEST, patients))
        rule = "the folders train/ and test/"
    else:
        rows = _drawn(_rows(root, root, TRAIN, patients), seed)
        rule = f"78:20 read as shares of the 98 films, drawn in each class by group, seed {seed}"
    grouping = Grouping.PARTLY if patients else Grouping.SUBSTITUTE
    split = by_part(rows, rule=rule, grouping=grouping)
    return DataSet(name=NAME, rows=rows, split=split, warnings=leak_warning(NAME, split))


def _drawn(rows: tuple[ImageRow, ...], seed: int) -> tuple[ImageRow, ...]:
    labels = Counter(row.label for row in rows)
    wanted = {label: round(n * TEST_SHARE) for label, n in labels.items()}
    drawn = hold_out(rows, wanted=wanted, seed=seed)
    return (*with_part(drawn.training, TRAIN), *with_part(drawn.validation, TEST))


def _rows(root: Path, folder: Path, part: str, patients: dict[str, str]) -> tuple[ImageRow, ...]:
    return tuple(
        ImageRow(
            file=path.relative_to(root).as_posix(),
            label=label,
            source=_SOURCES[label],
            group=f"covidxray-{label}-{patients.get(stem(path.name)) or path.stem}",
            part=part,
            sha256="",
            licence=_LICENCE,
        )
        for label, names in _FOLDERS.items()
        for path in pictures_below(need_folder(folder, *names))
    )


READER = DataSetReader(
    name=NAME,
    title="COVID X-ray, 78 COVID and 20 normal films",
    paper="Xu et al., Tables I and III",
    licence=_LICENCE,
    layout="covid/ and normal/ (our arrangement; the set was never released), or both below train/ and test/",
    published={(ALL, COVID19): 78, (ALL, NORMAL): 20},
    parse=read,
)
