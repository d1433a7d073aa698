"""SARS-CoV-2 CT (Soares et al. 2020), under the paper's leaky protocol and under one by blocks."""

import re
from collections.abc import Callable
from pathlib import Path

from models.datasets.data_set import (
    ALL,
    VALIDATION,
    DataSet,
    DataSetReader,
    Grouping,
    by_part,
    leak_warning,
    with_part,
)
from models.datasets.image_files import need_folder, pictures_below
from models.datasets.labels import COVID19, NON_COVID
from models.datasets.manifest import TRAIN, ImageRow
from models.datasets.split import Split, split_by_group, split_by_image

SOURCE = "sars-cov-2-ct-soares"
VALIDATION_SHARE = 0.2
BLOCK = 40
"""Consecutive numbers in one group: no patient is named, and neighbours are often one scan. Our choice."""

_NUMBER = re.compile(r"\((\d+)\)")
_FOLDERS = {COVID19: ("COVID",), NON_COVID: ("non-COVID", "NonCOVID", "Non-COVID")}
_TITLE = "SARS-CoV-2 CT-scan dataset, 2482 slices of 120 patients of hospitals in Sao Paulo"
_PAPER = "Soares et al., medRxiv 2020.04.24.20078584; used by Xu et al., Table I"
_LICENCE = "as stated on its Kaggle page (plamenlancelot/sarscov2-ctscan-dataset); not restated by the papers"
_LAYOUT = "COVID/Covid (1).png ... and non-COVID/Non-Covid (1).png ..."


def read_by_image(root: Path, seed: int) -> DataSet:
    """Read the set and draw 80:20 picture by picture as Xu et al. IV-C did: patients are on both sides.

    The paper draws at random and names no seed; we draw within each label, so that both sides keep the
    classes in proportion [our choice]. Its figures are those of the best epoch on the 20 %: there is no test.
    """
    rows = _rows(root)
    split = split_by_image(rows, validation_share=VALIDATION_SHARE, seed=seed)
    return _data_set(
        "sarscov2ct", f"random 80:20 of single pictures, seed {seed} (the paper's; leaky)", split
    )


def read_by_block(root: Path, seed: int) -> DataSet:
    """Read the set and draw whole blocks of consecutive numbers into 20 %: leaks less than the paper's."""
    rows = _rows(root)
    split = split_by_group(rows, validation_share=VALIDATION_SHARE, seed=seed)
    rule = f"80:20 of blocks of {BLOCK} consecutive numbers, seed {seed} (ours; not the paper's)"
    return _data_set("sarscov2ct-blocks", rule, split)


def _data_set(name: str, rule: str, drawn: Split) -> DataSet:
    rows = (*with_part(drawn.training, TRAIN), *with_part(drawn.validation, VALIDATION))
    split = by_part(rows, rule=rule, grouping=Grouping.SUBSTITUTE)
    return DataSet(name=name, rows=rows, split=split, warnings=leak_warning(name, split))


def _rows(root: Path) -> tuple[ImageRow, ...]:
    return tuple(
        ImageRow(
            file=path.relative_to(root).as_posix(),
            label=label,
            source=SOURCE,
            group=f"soares-{label}-{_block(path.stem, place)}",
            part=TRAIN,
            sha256="",
            licence=_LICENCE,
        )
        for label, folders in _FOLDERS.items()
        for place, path in enumerate(pictures_below(need_folder(root, *folders)), start=1)
    )


def _block(stem: str, place: int) -> str:
    """Return the block of ``Covid (57)``; a file that was renamed counts by its place in the folder."""
    number = _NUMBER.search(stem)
    return f"block{(int(number.group(1)) if number else place) // BLOCK:02d}"


def _reader(name: str, title: str, parse: Callable[[Path, int], DataSet]) -> DataSetReader:
    return DataSetReader(
        name=name,
        title=title,
        paper=_PAPER,
        licence=_LICENCE,
        layout=_LAYOUT,
        published={(ALL, COVID19): 1252, (ALL, NON_COVID): 1230},
        parse=parse,
    )


BY_IMAGE = _reader("sarscov2ct", f"{_TITLE}; the paper's random 80:20", read_by_image)
BY_BLOCK = _reader("sarscov2ct-blocks", f"{_TITLE}; 80:20 by blocks", read_by_block)
