"""The eight-source, five-class film set of Jia et al. (2021), put together again from its sources."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from models.datasets.data_set import TEST, DataSet, DataSetReader, Grouping, by_part, leak_warning, with_part
from models.datasets.five_class_sources import SOURCES
from models.datasets.folds import grouped_folds
from models.datasets.image_files import find_folder
from models.datasets.labels import BACTERIAL, COVID19, NORMAL, TUBERCULOSIS, VIRAL
from models.datasets.manifest import TRAIN, ImageRow
from models.datasets.split import Split, hold_out

NAME = "cxr5"
FOLDS = 5
TEST_PER_CLASS = 200
FILMS = {COVID19: 1770, TUBERCULOSIS: 1436, NORMAL: 1341, BACTERIAL: 1700, VIRAL: 1345}
"""Jia et al., Table 1."""

_LICENCE = "those of its seven collections; DS6 only under NIAID's data use agreement"


def read(root: Path, seed: int) -> DataSet:
    """Read the collections that lie under ``DS1`` to ``DS7`` and draw the fixed test.

    The paper gives numbers, no lists: 200 films of each class are the test, the rest is for five folds
    (`cross_validation`). We draw whole groups, so that no patient is in both; the paper does not say that
    it did. Of a class with more films than the paper's (bacterial pneumonia: 1700 of 2538) its number is
    drawn; of a class with fewer, the test takes the same share.
    """
    rows: list[ImageRow] = []
    warnings: list[str] = []
    for source in SOURCES:
        folder = find_folder(root, source)
        if folder is None:
            warnings.append(f"{NAME}: no folder {source}/")
        else:
            rows += _rows(root, folder, source)
    kept = _draw_published(rows, seed)
    held = hold_out(kept, wanted=_wanted(kept), seed=seed)
    sides = (*with_part(held.training, TRAIN), *with_part(held.validation, TEST))
    rule = (
        f"{TEST_PER_CLASS} films of each class to test on, by group, seed {seed}; the rest for {FOLDS} folds"
    )
    split = by_part(sides, rule=rule, grouping=Grouping.PARTLY)
    warnings += [*leak_warning(NAME, split), *_confounded(sides)]
    return DataSet(name=NAME, rows=sides, split=split, warnings=tuple(warnings))


def cross_validation(found: DataSet, *, seed: int = 0) -> tuple[Split, ...]:
    """Return the five grouped folds of the rows that are not in the fixed test."""
    return grouped_folds(found.split.training, folds=FOLDS, seed=seed)


def _rows(root: Path, folder: Path, source: str) -> Iterator[ImageRow]:
    for film in SOURCES[source](folder):
        yield ImageRow(
            file=film.path.relative_to(root).as_posix(),
            label=film.label,
            source=source,
            group=f"cxr5-{source}-{film.patient}",
            part=TRAIN,
            sha256="",
            licence=_LICENCE,
        )


def _draw_published(rows: Sequence[ImageRow], seed: int) -> tuple[ImageRow, ...]:
    """Keep at most the published number of each class, by groups in a drawn order."""
    groups = sorted({row.group for row in rows})
    Random(seed).shuffle(groups)
    place = {group: number for number, group in enumerate(groups)}
    taken: Counter[str] = Counter()
    kept: set[str] = set()
    for row in sorted(rows, key=lambda row: (place[row.group], row.file)):
        if taken[row.label] < FILMS[row.label]:
            taken[row.label] += 1
            kept.add(row.file)
    return tuple(row for row in rows if row.file in kept)


def _wanted(rows: Sequence[ImageRow]) -> dict[str, int]:
    found = Counter(row.label for row in rows)
    return {label: round(TEST_PER_CLASS * n / FILMS[label]) for label, n in found.items()}


def _confounded(rows: Sequence[ImageRow]) -> tuple[str, ...]:
    sources = {source: {row.label for row in rows if row.source == source} for source in SOURCES}
    alone = [source for source, labels in sources.items() if len(labels) == 1]
    if not alone:
        return ()
    return (
        f"{NAME}: {', '.join(alone)} hold one class each: accuracy is also that of telling sources apart",
    )


READER = DataSetReader(
    name=NAME,
    title="Five classes of chest films from eight sources, 7592 films",
    paper="Jia et al., Comput Biol Med 134, 104425 (2021), Table 1",
    licence=_LICENCE,
    layout=(
        "DS1/ covid-chestxray-dataset, DS2/ Actualmed-COVID-chestxray-dataset, DS3/ Figure1-COVID-chestxray-"
        "dataset, DS4/ COVID-19 Radiography Database (version 3), DS5/ ChinaSet_AllFiles and MontgomerySet, "
        "DS6/ TB Portals, DS7/ Kermany et al.; each as released. The set itself was never released"
    ),
    published={
        **{(TRAIN, label): n - TEST_PER_CLASS for label, n in FILMS.items()},
        **{(TEST, label): TEST_PER_CLASS for label in FILMS},
    },
    parse=read,
)
