"""Xu et al. Table IV: D-SPP over none, {6}, {5, 6} or {4, 5, 6}, each without and with CID."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from models.experiments.cells import Advance, Bench, Cell, CellResult, run_cells
from models.experiments.paper_recipes import SARS_COV_2_CT, scaled, xu_recipe
from models.experiments.published import NOT_REPRODUCED, TABLE_IV
from models.experiments.result_table import ResultTable
from models.experiments.slice_sets import Sides
from models.networks.enhanced import EnhancedNetwork, EnhancedOptions
from models.networks.infection_attention import AttentionOptions
from models.networks.spatial_pyramid import PyramidOptions
from models.networks.trunks import build_backbone
from models.training.recipe import Recipe

STAGES = ((), (6,), (5, 6), (4, 5, 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One row of the table."""

    stages: tuple[int, ...]
    """Stages whose outputs the D-SPP reads; none without it."""
    attention: AttentionOptions | None
    """None without CID."""

    @property
    def name(self) -> str:
        """A file's name: ``dspp-56-cid``."""
        pyramid = "".join(map(str, self.stages)) or "none"
        return f"dspp-{pyramid}{'-cid' if self.attention else ''}"

    @property
    def title(self) -> str:
        """For people."""
        pyramid = f"D-SPP {{{', '.join(map(str, self.stages))}}}" if self.stages else "no D-SPP"
        return f"{pyramid}, {'CID' if self.attention else 'no CID'}"

    @property
    def key(self) -> tuple[tuple[int, ...], bool]:
        """Its place in the published table."""
        return self.stages, self.attention is not None

    @property
    def options(self) -> EnhancedOptions:
        """The same as the network's options."""
        return EnhancedOptions(pyramid=PyramidOptions(stages=self.stages), attention=self.attention)


COMBINATIONS = tuple(
    Combination(stages=stages, attention=attention)
    for stages in STAGES
    for attention in (None, AttentionOptions())
)


def ablation_recipe(backbone: str, scale: float) -> Recipe:
    """Return the paper's recipe for SARS-CoV-2 CT with a share of its 100 epochs."""
    recipe = xu_recipe(f"plain_{backbone}", backbone=backbone, data_set=SARS_COV_2_CT)
    return scaled(recipe, scale)


def build_combination(backbone: str, combination: Combination, classes: int) -> EnhancedNetwork:
    """Return a backbone with the modules of a row, random weights."""
    return EnhancedNetwork(build_backbone(backbone), classes, combination.options)


def ablation_cells(backbone: str, recipe: Recipe, sides: Sides) -> tuple[Cell, ...]:
    """Return a cell a combination: the same rows, schedule and seed for all."""
    return tuple(
        Cell(
            name=combination.name,
            recipe=replace(recipe, network=f"{backbone} with {combination.name}"),
            root=sides.root,
            training=sides.training,
            test=sides.test,
            pool=sides.pool,
            build=partial(build_combination, backbone, combination, len(recipe.labels)),
        )
        for combination in COMBINATIONS
    )


def ablate(
    backbone: str, recipe: Recipe, sides: Sides, bench: Bench, advance: Advance
) -> tuple[tuple[Combination, CellResult], ...]:
    """Fit and score all eight combinations."""
    results = run_cells(ablation_cells(backbone, recipe, sides), bench, advance)
    return tuple(zip(COMBINATIONS, results, strict=True))


def ablation_table(
    backbone: str, recipe: Recipe, sides: Sides, results: Sequence[tuple[Combination, CellResult]]
) -> ResultTable:
    """Return the table with the paper's accuracy beside ours."""
    printed = TABLE_IV.get(backbone) or {}
    rows = []
    for combination, result in results:
        scores = result.scores
        rows.append(
            (
                " ".join(map(str, combination.stages)) or "none",
                "with" if combination.attention else "without",
                scores.accuracy.value,
                scores.accuracy.low,
                scores.accuracy.high,
                scores.macro_f1.value if scores.macro_f1 else None,
                scores.roc_auc.value if scores.roc_auc else None,
                printed.get(combination.key),
            )
        )
    return ResultTable(
        title=f"Table IV on {backbone}, {recipe.epochs} epochs (the paper: 100)",
        columns=(
            "D-SPP stages",
            "CID",
            "accuracy",
            "low",
            "high",
            "macro F1",
            "ROC area",
            "published accuracy",
        ),
        rows=tuple(rows),
        notes=(
            f"Published accuracies: Xu et al. Table IV, {NOT_REPRODUCED}; two rows are not printed there.",
            f"{len(sides.training)} rows fitted, {len(sides.test)} scored: {sides.rule}.",
            "Weights start at random (the paper hints at ImageNet); the last weights are scored.",
            *sides.warnings,
        ),
    )
