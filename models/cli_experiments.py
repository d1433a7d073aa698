"""``dicom-node models``: the experiments of the papers; torch is imported when one is run."""

from pathlib import Path
from typing import Annotated

import typer

from models.commands.options import DEFAULT_DATA, DEFAULT_RUNS, Data, Json, Out, Runs, Scale, Threads, Weights
from models.experiments.choices import PaperTable, SliceSet

SEED = 20261122


def add_experiments(app: typer.Typer) -> None:
    """Add the experiments' commands."""
    app.command("cross-validate")(cross_validate)
    app.command()(ablate)
    app.command()(robustness)
    app.command("gradient-statistics")(gradient_statistics)


def cross_validate(  # noqa: PLR0913, PLR0917  the options of a command
    recipe: Annotated[str, typer.Argument(help="A model's recipe, or a paper's (jia-..., xu-...).")],
    folds: Annotated[int, typer.Option(min=2, help="Folds by patient; the papers use 5.")] = 5,
    leave_source_out: Annotated[
        bool, typer.Option("--leave-source-out", help="Hold each source out once, instead of folds.")
    ] = False,
    classes: Annotated[
        int | None, typer.Option(min=3, max=5, help="Merge the film classes to 5, 4 or 3.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="Share drawn as test before the folds; Jia et al.: 0.13.")
    ] = 0.13,
    scale: Scale = 1.0,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    out: Out = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Train once a fold, score each on its fold and the best on a test; finished folds are kept."""
    from models.commands.experimenting import ValidationOrder, run_cross_validation, run_leave_source_out
    from models.commands.run_folder import Place

    order = ValidationOrder(recipe=recipe, classes=classes, folds=folds, test_share=test_share, scale=scale)
    place = Place(data=data, runs=runs, out=out, threads=threads)
    run = run_leave_source_out if leave_source_out else run_cross_validation
    raise typer.Exit(run(order, place, as_json=json))


def ablate(  # noqa: PLR0913, PLR0917  the options of a command
    table: Annotated[
        PaperTable, typer.Option(help="iv: where the modules stand; v: pre-training.")
    ] = PaperTable.IV,
    backbone: Annotated[
        str | None, typer.Option(help="By default mobilenet_v2 for Table IV, resnet50 for Table V.")
    ] = None,
    slices: Annotated[
        SliceSet, typer.Option("--set", help="The public release below DATA, or the rows of ct.csv.")
    ] = SliceSet.MANIFEST,
    scale: Scale = 1.0,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    out: Out = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Fill Table IV (8 combinations of D-SPP and CID) or Table V of Xu et al.; finished rows are kept."""
    from models.commands.experimenting import AblationOrder, run_ablation
    from models.commands.run_folder import Place

    order = AblationOrder(table=table, backbone=backbone, slices=slices, scale=scale)
    place = Place(data=data, runs=runs, out=out, threads=threads)
    raise typer.Exit(run_ablation(order, place, as_json=json))


def robustness(  # noqa: PLR0913, PLR0917  the options of a command
    names: Annotated[list[str] | None, typer.Argument(help="Installed models, a column each.")] = None,
    trained: Annotated[
        list[str] | None,
        typer.Option("--trained", help="A recipe whose training in RUNS is measured instead; repeatable."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="Rows that no model was fitted on; each model's held-out rows by default."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read this many rows, drawn by the seed.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Draws of noise a level.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the noise and of the draw of rows.")] = SEED,
    weights: Weights = None,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    out: Out = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Disturb held-out pictures by both noise forms of Jia et al. (Tables 15, 16) and count right answers."""
    from models.commands.probing import RobustnessOrder, run_robustness
    from models.commands.run_folder import Place

    order = RobustnessOrder(
        names=tuple(names or ()),
        trained=tuple(trained or ()),
        weights=weights,
        manifest=manifest,
        limit=limit,
        repeats=repeats,
        seed=seed,
    )
    place = Place(data=data, runs=runs, out=out, threads=threads)
    raise typer.Exit(run_robustness(order, place, as_json=json))


def gradient_statistics(  # noqa: PLR0913, PLR0917  the options of a command
    modified: Annotated[
        str | None, typer.Option(help="Installed model on the modified network, beside initialisation.")
    ] = None,
    original: Annotated[
        str | None, typer.Option(help="Installed model on the original network, beside initialisation.")
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches of training rows.")] = 8,
    batch_size: Annotated[int, typer.Option(min=2, help="Rows a batch.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of first weights, rows and dropout.")] = SEED,
    weights: Weights = None,
    data: Data = DEFAULT_DATA,
    runs: Runs = DEFAULT_RUNS,
    out: Out = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Measure the gradients of the first eight convolutions, 7264 weights (Jia et al. Fig. 6)."""
    from models.commands.probing import GradientOrder, run_gradient_statistics
    from models.commands.run_folder import Place

    order = GradientOrder(
        modified=modified,
        original=original,
        weights=weights,
        batches=batches,
        batch_size=batch_size,
        seed=seed,
    )
    place = Place(data=data, runs=runs, out=out, threads=threads)
    raise typer.Exit(run_gradient_statistics(order, place, as_json=json))
