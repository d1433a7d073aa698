"""How far the source alone goes: a logistic regression on a thumbnail's border, almost without lung."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from models.contract import BorderBaseline, Estimate
from models.datasets.manifest import ImageRow
from models.evaluation.linear_model import fit_logistic_regression, probabilities_of
from models.evaluation.metrics import Answers, confusions, mean_over, sensitivities
from models.evaluation.resampling import resample

SIDE, BORDER = 32, 4
PENALTY = 100.0
"""The strongest of 1, 10 and 100 on this project's films and slices: a weak floor would flatter models."""
FOLDS = 4
ALL_SOURCES = "all sources"
PAIR = ("covid19", "normal")
"""Also told apart over all sources: a figure of COVID-19 never stands without its border."""
Small = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pictures:
    rows: tuple[ImageRow, ...]
    small: Small

    def where(self, mask: Sequence[bool] | Mask) -> "_Pictures":
        chosen = np.flatnonzero(np.array(mask, dtype=np.bool_))
        return _Pictures(rows=tuple(self.rows[i] for i in chosen), small=self.small[chosen])

    def of(self, labels: Sequence[str], source: str | None) -> "_Pictures":
        return self.where([r.label in labels and source in {None, r.source} for r in self.rows])

    def truth(self, labels: Sequence[str]) -> npt.NDArray[np.int64]:
        return np.array([labels.index(row.label) for row in self.rows], dtype=np.int64)


def border_baselines(
    train_rows: Sequence[ImageRow],
    train_pixels: npt.NDArray[np.uint8],
    test_rows: Sequence[ImageRow],
    test_pixels: npt.NDArray[np.uint8],
    labels: tuple[str, ...],
    seed: int,
) -> tuple[BorderBaseline, ...]:
    """Fit on the rows that a model was fitted on and test on its held-out rows: all sources, then each alone.

    Parameters
    ----------
    train_rows, test_rows
        Rows; those of other labels are left out.
    train_pixels, test_pixels
        (n, common, common) grey, as the pixel cache keeps them.
    labels
        What is told apart; within a source only the labels that occur there on both sides.
    seed
        Of the bootstrap.
    """
    train = _Pictures(rows=tuple(train_rows), small=small_pictures(train_pixels))
    test = _Pictures(rows=tuple(test_rows), small=small_pictures(test_pixels))
    protocol = "fitted on the model's training rows, tested on its held-out rows"
    found: list[BorderBaseline] = []
    for source, asked in _tasks(test.rows, labels):
        mine, theirs = train.of(asked, source), test.of(asked, source)
        common = _common_labels(asked, mine.rows, theirs.rows)
        if len(common) > 1:
            mine, theirs = mine.of(common, source), theirs.of(common, source)
            answers = [_tested(mine, theirs, common, mask) for mask in _masks()]
            found.append(_baseline(source, answers, protocol, seed))
    return tuple(found)


def crossed_border_baselines(
    rows: Sequence[ImageRow], small: Small, labels: tuple[str, ...], seed: int
) -> tuple[BorderBaseline, ...]:
    """Fit and test on the same rows in four folds of whole groups; ``small`` is (n, 32, 32) in [0, 1].

    ``labels`` are told apart in all sources together; within a source so are all others that occur there.
    A set with fewer than four groups of a label has no baseline.
    """
    everything = _Pictures(rows=tuple(rows), small=small)
    found: list[BorderBaseline] = []
    for source, asked in _tasks(rows, labels):
        others = sorted({row.label for row in rows} - set(labels)) if source else []
        theirs = everything.of((*asked, *others), source)
        common = tuple(label for label in (*asked, *others) if _groups(theirs.rows, label) >= FOLDS)
        if len(common) > 1:
            theirs = theirs.of(common, source)
            answers = [_crossed(theirs, common, mask, seed) for mask in _masks()]
            found.append(_baseline(source, answers, f"{FOLDS} folds of whole groups of the same rows", seed))
    return tuple(found)


def small_pictures(pixels: npt.NDArray[np.uint8]) -> Small:
    """Return (n, 32, 32) float32 in [0, 1] of pictures (n, common, common), by area."""
    edges = np.linspace(0, pixels.shape[-1], SIDE + 1).astype(np.intp)[:-1]
    counts = np.diff(np.append(edges, pixels.shape[-1]))
    small = np.empty((len(pixels), SIDE, SIDE), dtype=np.float32)
    for index, picture in enumerate(pixels):
        rows = np.add.reduceat(picture.astype(np.float32), edges, axis=0)
        small[index] = np.add.reduceat(rows, edges, axis=1) / np.outer(counts, counts) / 255
    return small


def border_mask() -> Mask:
    """Return (32, 32): whether a pixel is one of the outer four."""
    mask = np.ones((SIDE, SIDE), dtype=np.bool_)
    mask[BORDER:-BORDER, BORDER:-BORDER] = False
    return mask


def _masks() -> tuple[Mask, Mask]:
    return border_mask(), np.ones((SIDE, SIDE), dtype=np.bool_)


def _tasks(
    rows: Iterable[ImageRow], labels: tuple[str, ...]
) -> tuple[tuple[str | None, tuple[str, ...]], ...]:
    """Return what is told apart: all labels and one pair over all sources, and each source's labels."""
    sources = sorted({row.source for row in rows})
    alone = tuple((source, labels) for source in sources)
    if len(sources) == 1:
        return alone
    pair = ((None, PAIR),) if set(PAIR) < set(labels) else ()
    return ((None, labels), *pair, *alone)


def _common_labels(
    labels: Sequence[str], train: Sequence[ImageRow], test: Sequence[ImageRow]
) -> tuple[str, ...]:
    there = {row.label for row in train} & {row.label for row in test}
    return tuple(label for label in labels if label in there)


def _groups(rows: Sequence[ImageRow], label: str) -> int:
    return len({row.group for row in rows if row.label == label})


def _tested(train: _Pictures, test: _Pictures, labels: tuple[str, ...], mask: Mask) -> Answers:
    truth = train.truth(labels)
    if len(np.unique(truth)) == 1:  # a fold whose other groups are all of one label
        return _answers(test, labels, np.eye(len(labels))[np.repeat(truth[:1], len(test.rows))])
    fitted = fit_logistic_regression(train.small[:, mask], truth, penalty=PENALTY)
    probabilities = probabilities_of(fitted, test.small[:, mask], truth, len(labels))
    return _answers(test, labels, probabilities)


def _crossed(pictures: _Pictures, labels: tuple[str, ...], mask: Mask, seed: int) -> Answers:
    folds = _folds(pictures.rows, seed)
    probabilities = np.zeros((len(pictures.rows), len(labels)))
    for fold in range(FOLDS):
        inside = folds != fold
        tested = _tested(pictures.where(inside), pictures.where(~inside), labels, mask)
        probabilities[~inside] = tested.probabilities
    return _answers(pictures, labels, probabilities)


def _folds(rows: Sequence[ImageRow], seed: int) -> npt.NDArray[np.intp]:
    """Deal groups out label by label, so that each label with four groups is in every fold."""
    fold_of: dict[str, int] = {}
    draw = Random(seed)
    for label in sorted({row.label for row in rows}):
        groups = sorted({row.group for row in rows if row.label == label} - set(fold_of))
        draw.shuffle(groups)
        fold_of |= {group: place % FOLDS for place, group in enumerate(groups)}
    return np.array([fold_of[row.group] for row in rows], dtype=np.intp)


def _answers(pictures: _Pictures, labels: tuple[str, ...], probabilities: npt.NDArray[np.float64]) -> Answers:
    groups = tuple(row.group for row in pictures.rows)
    return Answers(labels=labels, truth=pictures.truth(labels), probabilities=probabilities, groups=groups)


def _baseline(source: str | None, answers: Sequence[Answers], protocol: str, seed: int) -> BorderBaseline:
    border, whole = (_balanced_accuracy(one, seed) for one in answers)
    labels, groups = answers[0].labels, answers[0].groups
    return BorderBaseline(
        task=f"{' / '.join(labels)} ({source or ALL_SOURCES})",
        border_only=border.value,
        whole_thumbnail=whole.value,
        chance=round(1 / len(labels), 4),
        source=source,
        labels=labels,
        border=border,
        thumbnail=whole,
        rows=len(groups),
        groups=len(set(groups)),
        protocol=protocol,
    )


def _balanced_accuracy(answers: Answers, seed: int) -> Estimate:
    resamples = resample(answers.groups, seed=seed)
    matrices = confusions(answers.truth, answers.answer, len(answers.labels), resamples)
    return mean_over(sensitivities(matrices), answers.present)
