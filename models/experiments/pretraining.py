"""Xu et al. Table V: an enhanced network pre-trained on SARS-CoV-2 CT, then fine-tuned on COVID19-CT."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.experiments.cells import Advance, Bench, Cell, CellResult, run_cells
from models.experiments.paper_recipes import COVID19_CT, SARS_COV_2_CT, scaled, xu_recipe
from models.experiments.published import NOT_REPRODUCED, TABLE_V
from models.experiments.result_table import ResultTable
from models.experiments.slice_sets import Sides
from models.networks.registry import ENHANCED_PREFIX
from models.training.recipe import Recipe

POSITIVE = "covid19"
PAPER_EPOCHS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One row: epochs of the paper, before they are scaled."""

    fine_tuning: int
    pre_training: int
    """0 for none: the "original" row."""

    @property
    def name(self) -> str:
        """The paper's words."""
        return f"{self.fine_tuning}+pretrain-{self.pre_training}" if self.pre_training else "original"


STRATEGIES = tuple(
    Strategy(fine_tuning=fine_tuning, pre_training=pre_training)
    for fine_tuning, pre_training in ((100, 0), (40, 40), (40, 70), (70, 70), (100, 70), (100, 100))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Everything that the table's cells share."""

    backbone: str
    scale: float
    source: Sides
    target: Sides

    def recipe(self, data_set: str, epochs: int) -> Recipe:
        """Return the paper's recipe of one link; the cosine begins anew at 0.1 with each [our reading]."""
        network = f"{ENHANCED_PREFIX}{self.backbone}"
        paper = xu_recipe(network, backbone=self.backbone, data_set=data_set)
        return scaled(paper, self.scale * epochs / PAPER_EPOCHS)


def chain_recipes(backbone: str) -> tuple[Recipe, Recipe]:
    """Return the recipes whose labels, sources and seed choose the rows of both sets."""
    network = f"{ENHANCED_PREFIX}{backbone}"
    return (
        xu_recipe(network, backbone=backbone, data_set=SARS_COV_2_CT),
        xu_recipe(network, backbone=backbone, data_set=COVID19_CT),
    )


def pretraining_cells(chain: Chain) -> tuple[Cell, ...]:
    """Return the pre-trainings, each once, and after them the rows of the table."""
    lengths = sorted({s.pre_training for s in STRATEGIES} - {0})
    first = [
        _cell(f"pretrain-{length}", chain.recipe(SARS_COV_2_CT, length), chain.source) for length in lengths
    ]
    then = [
        _cell(
            strategy.name,
            chain.recipe(COVID19_CT, strategy.fine_tuning),
            chain.target,
            begins_with=f"pretrain-{strategy.pre_training}" if strategy.pre_training else None,
        )
        for strategy in STRATEGIES
    ]
    return (*first, *then)


def _cell(name: str, recipe: Recipe, sides: Sides, begins_with: str | None = None) -> Cell:
    return Cell(
        name=name,
        recipe=recipe,
        root=sides.root,
        training=sides.training,
        test=sides.test,
        pool=sides.pool,
        begins_with=begins_with,
    )


def pretrain_and_fine_tune(chain: Chain, bench: Bench, advance: Advance) -> tuple[CellResult, ...]:
    """Run the whole table, and return the results of its rows in the order of ``STRATEGIES``."""
    return run_cells(pretraining_cells(chain), bench, advance)[-len(STRATEGIES) :]


def pretraining_table(chain: Chain, results: Sequence[CellResult]) -> ResultTable:
    """Return the table with the paper's figures beside ours; COVID-19 is the positive class."""
    rows = []
    for strategy, result in zip(STRATEGIES, results, strict=True):
        positive = result.scores.labels[POSITIVE]
        rows.append(
            (
                strategy.name,
                result.epochs,
                result.scores.accuracy.value,
                positive.precision.value if positive.precision else None,
                positive.sensitivity.value,
                positive.f1.value,
                result.scores.roc_auc.value if result.scores.roc_auc else None,
                *TABLE_V[strategy.fine_tuning, strategy.pre_training],
            )
        )
    published = tuple(f"published {figure}" for figure in ("accuracy", "precision", "recall", "F1"))
    return ResultTable(
        title=f"Table V, D-SPP and CID on {chain.backbone}, {chain.scale:g} of the paper's epochs",
        columns=(
            "strategy",
            "fine-tuning epochs",
            "accuracy",
            "precision",
            "sensitivity",
            "F1",
            "ROC area",
            *published,
        ),
        rows=tuple(rows),
        notes=(
            f"Published figures: Xu et al. Table V (ResNet50), {NOT_REPRODUCED}.",
            "a+pretrain-b: b epochs on SARS-CoV-2 CT, then a on COVID19-CT; the cosine begins anew at 0.1.",
            f"Pre-trained on {len(chain.source.training)} rows: {chain.source.rule}.",
            f"Fine-tuned on {len(chain.target.training)} rows, scored on {len(chain.target.test)}: "
            f"{chain.target.rule}.",
            *chain.source.warnings,
            *chain.target.warnings,
        ),
    )
