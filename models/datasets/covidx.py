"""COVIDx (Wang et al. 2020): chest films of five collections by the lists of the COVID-Net repository."""

import re
from collections.abc import Iterator
from pathlib import Path

from models.datasets.data_set import TEST, DataSet, DataSetReader, Grouping, by_part, leak_warning
from models.datasets.image_files import FolderNotAsReleased, find_folder, names_in
from models.datasets.labels import COVID19, NON_COVID, NORMAL, PNEUMONIA
from models.datasets.manifest import TRAIN, ImageRow
from models.errors import ManifestInvalid

NAME = "covidx"
VERSION = "3"
"""Only version 3 sums to the papers' 13,975 films (13,675 to train on, 300 to test on)."""

_LABELS = {
    "normal": NORMAL,
    "pneumonia": PNEUMONIA,
    "COVID-19": COVID19,
    "negative": NON_COVID,
    "positive": COVID19,
}
_LIST = re.compile(r"(?:train|test)(?:_split)?(?:_COVIDx[_-]?(?:CXR-)?(\w*))?\.txt", re.IGNORECASE)
_LICENCE = "those of its collections (docs/COVIDx.md of the COVID-Net repository)"


def read(root: Path, seed: int) -> DataSet:
    """Read ``train_COVIDx*.txt`` and ``test_COVIDx*.txt``; ``seed`` draws nothing here.

    A line is ``patientid filename class source``; older lists have no source, and a patient of the SIRM
    collection has a space in the name (``COVID 119 COVID(119).png COVID-19 sirm``). Where several versions
    lie together, version 3 is read. SIRM numbers pictures, not patients.
    """
    del seed
    lists = _pick(root)
    rows: list[ImageRow] = []
    missing = 0
    for part in (TRAIN, TEST):
        path = lists[part]
        folder = find_folder(root, part) or find_folder(root / "data", part)
        if folder is None:
            raise FolderNotAsReleased(root, f"the pictures of {path.name} in {part}/ or data/{part}/")
        there = names_in(folder)
        found = tuple(_rows(path, folder.relative_to(root).as_posix(), part))
        rows += [row for row in found if Path(row.file).name in there]
        missing += sum(Path(row.file).name not in there for row in found)
    rule = f"the lists {lists[TRAIN].name} and {lists[TEST].name}"
    split = by_part(rows, rule=rule, grouping=Grouping.PARTLY)
    lost = (f"{NAME}: {missing} listed pictures are not there",) if missing else ()
    return DataSet(name=NAME, rows=tuple(rows), split=split, warnings=(*lost, *leak_warning(NAME, split)))


def _pick(root: Path) -> dict[str, Path]:
    """Return the two lists of the version to read."""
    versions: dict[str, dict[str, Path]] = {}
    for path in sorted([*root.glob("*.txt"), *root.glob("labels/*.txt")]):
        name = _LIST.fullmatch(path.name)
        if name:
            part = TEST if path.name.lower().startswith("test") else TRAIN
            versions.setdefault((name.group(1) or "").upper(), {})[part] = path
    whole = {version: lists for version, lists in versions.items() if len(lists) == 2}
    if not whole:
        raise FolderNotAsReleased(root, "train_COVIDx3.txt and test_COVIDx3.txt, or those of another version")
    if VERSION not in whole and len(whole) > 1:
        raise ManifestInvalid(root, f"lists of several versions: {', '.join(sorted(whole))}; leave one")
    return whole[VERSION] if VERSION in whole else next(iter(whole.values()))


def _rows(path: Path, folder: str, part: str) -> Iterator[ImageRow]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        source = "" if words[-1] in _LABELS else words.pop()
        if len(words) < 3 or words[-1] not in _LABELS:
            raise ManifestInvalid(path, f"line {number} is not 'patientid filename class source'")
        *patient, name, label = words
        yield ImageRow(
            file=f"{folder}/{name}",
            label=_LABELS[label],
            source=f"covidx-{source}" if source else "covidx",
            group=f"covidx-{' '.join(patient)}",
            part=part,
            sha256="",
            licence=_LICENCE,
        )


READER = DataSetReader(
    name=NAME,
    title="COVIDx 3, 13,975 films of three classes",
    paper="Wang et al., Sci Rep 10, 19549 (2020); used by Jia et al., Tables 7 to 9",
    licence=_LICENCE,
    layout="train/, test/ (or below data/), train_COVIDx3.txt, test_COVIDx3.txt (or below labels/)",
    # docs/COVIDx.md: 258 COVID films to train on in version 3; normal and pneumonia as in version 2.
    published={
        (TRAIN, NORMAL): 7966,
        (TRAIN, PNEUMONIA): 5451,
        (TRAIN, COVID19): 258,
        (TEST, NORMAL): 100,
        (TEST, PNEUMONIA): 100,
        (TEST, COVID19): 100,
    },
    parse=read,
)
