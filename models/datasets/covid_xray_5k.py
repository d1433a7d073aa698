"""COVID-Xray-5k (Minaee et al. 2020), first release: 31+2000 films to train on, 40+3000 to test on."""

import re
from pathlib import Path

from models.datasets.data_set import TEST, DataSet, DataSetReader, Grouping, by_part, leak_warning
from models.datasets.image_files import find_file, need_folder, pictures_below
from models.datasets.labels import COVID19, NON_COVID
from models.datasets.manifest import TRAIN, ImageRow
from models.datasets.tables import patients_by_file, stem

NAME = "xray5k"
# The authors' training script reads the second side from val/, their inference script from test/.
_PARTS = {TRAIN: ("train",), TEST: ("test", "val")}
_FOLDERS = {COVID19: ("covid",), NON_COVID: ("non", "non-covid")}
_SOURCES = {COVID19: "covid-chestxray-dataset", NON_COVID: "chexpert"}
_CHEXPERT_PATIENT = re.compile(r"patient\d+", re.IGNORECASE)
_LICENCE = "a licence for each film (covid-chestxray-dataset); Stanford's research use agreement (CheXpert)"


def read(root: Path, seed: int) -> DataSet:
    """Read the release's folders, which are the split; ``seed`` draws nothing here.

    ``root`` is the folder that holds train/ and test/ (data/ in the authors' repository). Non-COVID films
    may lie in folders by finding. A CheXpert patient is told by ``patient00001`` in the path, a COVID
    patient by a ``metadata.csv`` of covid-chestxray-dataset beside the folders; other films stand alone.
    Later releases hold 84 and 100 COVID films: those copies are read, and the difference is reported.
    """
    del seed
    table = find_file(root, "metadata.csv")
    patients = patients_by_file(table, file=("filename",), patient=("patientid",)) if table else {}
    rows = tuple(
        _row(root, path, label=label, part=part, patients=patients)
        for part, sides in _PARTS.items()
        for label, names in _FOLDERS.items()
        for path in pictures_below(need_folder(need_folder(root, *sides), *names))
    )
    split = by_part(rows, rule="the release's folders train/ and test/", grouping=Grouping.PARTLY)
    return DataSet(name=NAME, rows=rows, split=split, warnings=leak_warning(NAME, split))


def _row(root: Path, path: Path, *, label: str, part: str, patients: dict[str, str]) -> ImageRow:
    file = path.relative_to(root).as_posix()
    chexpert = _CHEXPERT_PATIENT.search(file) if label == NON_COVID else None
    who = chexpert.group().lower() if chexpert else patients.get(stem(path.name)) or path.stem
    return ImageRow(
        file=file,
        label=label,
        source=_SOURCES[label],
        group=f"xray5k-{label}-{who}",
        part=part,
        sha256="",
        licence=_LICENCE,
    )


READER = DataSetReader(
    name=NAME,
    title="COVID-Xray-5k, 71 COVID and 5000 other films",
    paper="Minaee et al., arXiv 2004.09363; used by Xu et al., Table III",
    licence=_LICENCE,
    layout="{train,test}/{covid,non}/ (shervinmin/DeepCovid)",
    published={
        (TRAIN, COVID19): 31,
        (TRAIN, NON_COVID): 2000,
        (TEST, COVID19): 40,
        (TEST, NON_COVID): 3000,
    },
    parse=read,
)
