"""`cross-validate` and `ablate`: the papers' tables that train; what is finished is not run again."""

from dataclasses import dataclass

from models.commands.run_folder import Place, tell
from models.commands.speech import Advance, plain_errors, progress_bar
from models.datasets.label_merges import LabelMerge
from models.experiments.ablation import ablate, ablation_recipe, ablation_table
from models.experiments.cells import CellResult
from models.experiments.charts import Dot, draw_dots
from models.experiments.choices import PaperTable, SliceSet
from models.experiments.class_merges import MERGES, merged_recipe
from models.experiments.cross_validation import (
    Material,
    cross_validate,
    fold_table,
    leave_sources_out,
    material,
    source_table,
)
from models.experiments.paper_recipes import any_recipe, scaled
from models.experiments.pretraining import (
    STRATEGIES,
    Chain,
    chain_recipes,
    pretrain_and_fine_tune,
    pretraining_table,
)
from models.experiments.published import TABLE_IV, TABLE_V
from models.experiments.result_table import ResultTable
from models.experiments.slice_sets import covid19_ct_sides, sars_cov_2_sides

_DEFAULT_BACKBONE = {PaperTable.IV: "mobilenet_v2", PaperTable.V: "resnet50"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationOrder:
    """Which recipe to validate, on how many classes and folds, for which share of its epochs."""

    recipe: str
    classes: int | None
    folds: int
    test_share: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationOrder:
    """Which table of Xu et al. to fill, on what, for which share of the paper's epochs."""

    table: PaperTable
    backbone: str | None
    slices: SliceSet
    scale: float


def run_cross_validation(order: ValidationOrder, place: Place, *, as_json: bool) -> int:
    """Fit once a fold, and print a row a fold."""
    place.prepare()
    with plain_errors(), progress_bar() as advance:
        chosen = _material(order, place)
        folder = place.folder(f"cross-validate-{chosen.recipe.name}")
        done = cross_validate(
            chosen,
            folds=order.folds,
            test_share=order.test_share,
            bench=place.bench(folder.name),
            advance=advance,
        )
    table = fold_table(done, chosen.recipe)
    table.write(folder / "folds.csv")
    draw_dots(
        [_dot(result.name, result) for result in (*done.folds, done.test)],
        folder / "folds.png",
        title=table.title,
        axis="accuracy",
    )
    return tell([table], folder, as_json=as_json)


def run_leave_source_out(order: ValidationOrder, place: Place, *, as_json: bool) -> int:
    """Hold each source out once, and print a row a source."""
    place.prepare()
    with plain_errors(), progress_bar() as advance:
        chosen = _material(order, place)
        folder = place.folder(f"leave-source-out-{chosen.recipe.name}")
        results = leave_sources_out(chosen, place.bench(folder.name), advance)
    table = source_table(results, chosen.recipe)
    table.write(folder / "sources.csv")
    draw_dots(
        [_dot(_source_with_labels(result), result) for result in results],
        folder / "sources.png",
        title=table.title,
        axis="accuracy on the held-out source",
    )
    return tell([table], folder, as_json=as_json)


def run_ablation(order: AblationOrder, place: Place, *, as_json: bool) -> int:
    """Fill Table IV or Table V, and print it beside the paper's."""
    place.prepare()
    backbone = order.backbone or _DEFAULT_BACKBONE[order.table]
    folder = place.folder(f"table-{order.table}-{backbone}-{order.slices}")
    with plain_errors(), progress_bar() as advance:
        match order.table:
            case PaperTable.IV:
                table, dots = _table_iv(backbone, order, place, advance)
            case PaperTable.V:
                table, dots = _table_v(backbone, order, place, advance)
    table.write(folder / f"table-{order.table}.csv")
    draw_dots(dots, folder / f"table-{order.table}.png", title=table.title, axis="accuracy")
    return tell([table], folder, as_json=as_json)


def _material(order: ValidationOrder, place: Place) -> Material:
    merge = LabelMerge.FIVE if order.classes is None else MERGES[order.classes]
    recipe = scaled(merged_recipe(any_recipe(order.recipe), merge), order.scale)
    return material(recipe, place.data, merge)


def _table_iv(
    backbone: str, order: AblationOrder, place: Place, advance: Advance
) -> tuple[ResultTable, list[Dot]]:
    recipe = ablation_recipe(backbone, order.scale)
    sides = sars_cov_2_sides(order.slices, place.data, recipe)
    bench = place.bench(f"table-{order.table}-{backbone}-{order.slices}")
    results = ablate(backbone, recipe, sides, bench, advance)
    printed = TABLE_IV.get(backbone) or {}
    dots = [_dot(combination.title, result, printed.get(combination.key)) for combination, result in results]
    return ablation_table(backbone, recipe, sides, results), dots


def _table_v(
    backbone: str, order: AblationOrder, place: Place, advance: Advance
) -> tuple[ResultTable, list[Dot]]:
    first, then = chain_recipes(backbone)
    chain = Chain(
        backbone=backbone,
        scale=order.scale,
        source=sars_cov_2_sides(order.slices, place.data, first),
        target=covid19_ct_sides(order.slices, place.data, then),
    )
    bench = place.bench(f"table-{order.table}-{backbone}-{order.slices}")
    results = pretrain_and_fine_tune(chain, bench, advance)
    dots = [
        _dot(strategy.name, result, TABLE_V[strategy.fine_tuning, strategy.pre_training][0])
        for strategy, result in zip(STRATEGIES, results, strict=True)
    ]
    return pretraining_table(chain, results), dots


def _dot(name: str, result: CellResult, published: float | None = None) -> Dot:
    accuracy = result.scores.accuracy
    return Dot(name=name, value=accuracy.value, low=accuracy.low, high=accuracy.high, published=published)


def _source_with_labels(result: CellResult) -> str:
    labels = ", ".join(result.scores.labels)
    return f"{result.name.removeprefix('without-')} ({labels})"
