"""The project's own collections as data sets: the manifests of the data folder, split by patient."""

from functools import partial
from pathlib import Path

from models.datasets.data_set import (
    TEST,
    VALIDATION,
    DataSet,
    DataSetReader,
    Grouping,
    by_part,
    leak_warning,
    with_part,
)
from models.datasets.manifest import TRAIN, external, read_manifest, trainable
from models.datasets.split import split_by_group

VALIDATION_SHARE = 0.2


def read(root: Path, seed: int, *, manifest: str) -> DataSet:
    """Read a manifest; external collections are the test, 20 % of the other groups the validation.

    Rows of a group that an external collection has too are left out, as training leaves them out.
    """
    everything = read_manifest(root / f"{manifest}.csv")
    labels, sources = sorted({row.label for row in everything}), sorted({row.source for row in everything})
    fit = trainable(everything, labels, sources)
    drawn = split_by_group(fit, validation_share=VALIDATION_SHARE, seed=seed)
    rows = (
        *with_part(drawn.training, TRAIN),
        *with_part(drawn.validation, VALIDATION),
        *with_part(external(everything), TEST),
    )
    rule = f"80:20 by group, seed {seed}; external collections are the test"
    split = by_part(rows, rule=rule, grouping=Grouping.PARTLY)
    name = f"project-{manifest}"
    return DataSet(name=name, rows=rows, split=split, warnings=leak_warning(name, split))


def _reader(manifest: str, title: str) -> DataSetReader:
    return DataSetReader(
        name=f"project-{manifest}",
        title=title,
        paper="none; the data folder's README",
        licence="differs per row (the licence column)",
        layout=f"{manifest}.csv and {manifest}/",
        published={},
        parse=partial(read, manifest=manifest),
    )


FILMS = _reader("cxr", "The project's chest films")
SLICES = _reader("ct", "The project's chest CT slices")
