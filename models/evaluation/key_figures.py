"""The papers' questions, one by one: which rows they are put to and which answers count as which class."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.contract import BorderBaseline, Estimate, KeyFigure
from models.datasets.manifest import ImageRow
from models.evaluation.answers import AnsweredRows
from models.evaluation.metrics import accuracies, confusions, mean_over, sensitivities
from models.evaluation.resampling import estimate, resample

NOT_COVID = ("non_covid", "normal")
PNEUMONIAS = ("pneumonia_bacterial", "pneumonia_viral", "pneumonia_unspecified", "pneumonia")
NO_CLASS = "another answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A choice between classes; a class holds the labels of its rows, which are the answers it counts too."""

    name: str
    title: str
    classes: Mapping[str, tuple[str, ...]]
    sources: tuple[str, ...] = ()
    """Only rows of these; of any source where empty."""
    part: str | None = None
    """Only rows of this part."""


def _alone(*labels: str) -> dict[str, tuple[str, ...]]:
    return {label: (label,) for label in labels}


_COVID_OR_NOT = {"covid19": ("covid19",), "not covid19": NOT_COVID}

FILM_QUESTIONS = (
    Question(
        name="kermany-three-way",
        title="Kermany: bacterial / viral / normal (children)",
        classes=_alone("pneumonia_bacterial", "pneumonia_viral", "normal"),
        sources=("kermany",),
    ),
    Question(
        name="tuberculosis-or-normal",
        title="tb-rahman: tuberculosis / normal",
        classes=_alone("tuberculosis", "normal"),
        sources=("tb-rahman",),
    ),
    Question(
        name="nih-pneumonia-or-normal",
        title="NIH: pneumonia / normal (adults)",
        classes={"pneumonia": PNEUMONIAS, "normal": ("normal",)},
        sources=("nih-chestxray8",),
    ),
    Question(
        name="covid-or-normal",
        title="COVID-19 / normal, all sources (source and class coincide)",
        classes=_alone("covid19", "normal"),
    ),
    Question(
        name="external-films",
        title="External films: COVID-19, normal",
        classes=_alone("covid19", "normal"),
        part="external",
    ),
)
SLICE_QUESTIONS = (
    Question(
        name="sars-cov-2-ct",
        title="SARS-CoV-2 CT: COVID-19 or not (blocks of files, no patients known)",
        classes=_COVID_OR_NOT,
        sources=("sars-cov-2-ct-soares",),
    ),
    Question(
        name="covid19-ct",
        title="COVID19-CT: COVID-19 or not, by patient",
        classes=_COVID_OR_NOT,
        sources=("covid19-ct-ucsd",),
    ),
    Question(
        name="mosmed",
        title="MosMed: COVID-19 or not",
        classes=_COVID_OR_NOT,
        sources=("mosmed",),
    ),
    Question(
        name="brazil-cvt",
        title="Brazil CVT: COVID-19 or not",
        classes=_COVID_OR_NOT,
        sources=("brazil-cvt",),
    ),
)
_BY_SLICES_LABEL = "non_covid"


def questions_for(labels: Iterable[str]) -> tuple[Question, ...]:
    """Return the questions to a model with these labels."""
    return SLICE_QUESTIONS if _BY_SLICES_LABEL in labels else FILM_QUESTIONS


def key_figures(
    answered: AnsweredRows, baselines: Sequence[BorderBaseline], *, seed: int
) -> tuple[KeyFigure, ...]:
    """Return the figures of every question that the rows can answer, for each part that has such rows.

    An answer stays the model's most probable label of all: one outside the question's classes is wrong.
    """
    parts = sorted({row.part for row in answered.rows})
    found = (
        _figure(answered, q, part, baselines, seed) for q in questions_for(answered.labels) for part in parts
    )
    return tuple(figure for figure in found if figure is not None)


def _figure(
    answered: AnsweredRows, question: Question, part: str, baselines: Sequence[BorderBaseline], seed: int
) -> KeyFigure | None:
    if question.part not in {None, part}:
        return None
    asked = answered.where([row.part == part and _is_asked(row, question) for row in answered.rows])
    classes = tuple(question.classes)
    truth = np.array([_class_of(row.label, question) for row in asked.rows], dtype=np.int64)
    there = np.unique(truth)
    if not len(there) or (len(there) < len(classes) and question.part is None):
        return None
    answer = np.array([_class_of(label, question) for label in asked.predicted], dtype=np.int64)
    groups = tuple(row.group for row in asked.rows)
    matrices = confusions(truth, answer, len(classes) + 1, resample(groups, seed=seed))
    shares = sensitivities(matrices)
    right = accuracies(matrices)
    border, thumbnail = _beside(asked.rows, question, baselines)
    return KeyFigure(
        name=question.name,
        title=question.title,
        part=part,
        rows=len(groups),
        groups=len(set(groups)),
        accuracy=estimate(right[0], right[1:]),
        balanced_accuracy=mean_over(shares, there) if len(there) > 1 else None,
        sensitivities={classes[k]: estimate(shares[0, k], shares[1:, k]) for k in there},
        border=border,
        thumbnail=thumbnail,
    )


def _is_asked(row: ImageRow, question: Question) -> bool:
    if question.sources and row.source not in question.sources:
        return False
    return any(row.label in labels for labels in question.classes.values())


def _class_of(label: str, question: Question) -> int:
    """Return the number of a label's class; the next number after the last where it is of none."""
    numbers = (k for k, labels in enumerate(question.classes.values()) if label in labels)
    return next(numbers, len(question.classes))


def _beside(
    rows: Sequence[ImageRow], question: Question, baselines: Sequence[BorderBaseline]
) -> tuple[Estimate | None, Estimate | None]:
    """Return the border and thumbnail baselines that told the same rows' labels apart."""
    labels = {row.label for row in rows}
    sources = {row.source for row in rows}
    source = next(iter(sources)) if question.sources or len(sources) == 1 else None
    fitting = (b for b in baselines if b.source == source and set(b.labels) == labels)
    found = next(fitting, None)
    return (found.border, found.thumbnail) if found else (None, None)
