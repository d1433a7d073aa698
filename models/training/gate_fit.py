"""The chest gate of a finished training: fitted on training rows, limited and tried on validation rows."""

from collections.abc import Iterator

import numpy as np
import torch

from models.contract import GateSettings, ImageKind, OutlierFamily, PassShare
from models.datasets.manifest import external, read_manifest
from models.evaluation.answers import Outputs, run_network
from models.gate.fitting import choose_settings, fit_statistics, pass_shares, passes, passes_of_halves
from models.gate.made_outliers import FITTED_KINDS, MadeKind, Pictures, make_pictures, shuffled
from models.gate.statistics import GateStatistics, Scores
from models.gate.thumbnails import DISGUISES, Disguise, disguised
from models.gate.trial import Suspects, try_on
from models.training.material import Material
from models.training.statements import kind_of

MOST_FITTED, MOST_DISGUISED, MADE = 1600, 120, 60
"""Training pictures, those of them that are disguised each way, and made pictures of each kind."""
_TILES = (2, 4)
_OTHER_KIND = {
    ImageKind.CHEST_RADIOGRAPH: ("ct.csv", "CT slices shown as films"),
    ImageKind.CHEST_CT: ("cxr.csv", "chest films shown as slices"),
}
Family = tuple[str, Pictures, bool]
"""Name, pictures (n, common, common), whether the like helped to fit."""


def fit_gate(material: Material) -> tuple[GateStatistics, GateSettings]:
    """Fit and limit the gate of the network that ships, and try it on pictures of wrong kinds.

    Limits are chosen on validation rows, which a refitted network has seen; ``external`` rows it has not.
    """
    kind, training = kind_of(material.recipe), material.split.training
    pictures, few = material.pixels(training), np.array(_strided(len(training), MOST_DISGUISED))
    fitted = np.array(_strided(len(training), MOST_FITTED))
    wrong = [shown for _, shown, used in _families(np.array(pictures[few]), kind, seed=0) if used]
    statistics = fit_statistics(
        _outputs(material, "gate", np.array(pictures[fitted])),
        [training[k].source for k in fitted],
        _outputs(material, "made outliers", np.concatenate(wrong)),
        kind,
    )
    return statistics, _settings(material, statistics, kind)


def _settings(material: Material, statistics: GateStatistics, kind: ImageKind) -> GateSettings:
    rows = material.split.validation
    scores = _scores(material, statistics, "gate limits", material.pixels(rows))
    sources, groups = [row.source for row in rows], [row.group for row in rows]
    settings = choose_settings(scores, sources, kind)
    halves = passes_of_halves(scores, sources, groups, kind)
    return settings.model_copy(
        update={
            "pass_by_source": {**halves, **_external_passes(material, statistics, settings)},
            "families": tuple(_tried(material, statistics, settings, scores)),
        }
    )


def _external_passes(
    material: Material, statistics: GateStatistics, settings: GateSettings
) -> dict[str, PassShare]:
    rows = external(material.rows)
    if not rows:
        return {}
    scores = _scores(material, statistics, "external", material.pixels(rows))
    return pass_shares(passes(scores, settings), [f"external: {row.source}" for row in rows])


def _tried(
    material: Material, statistics: GateStatistics, settings: GateSettings, right: Scores
) -> Iterator[OutlierFamily]:
    rows = material.split.validation
    few = np.array(material.pixels(rows)[np.array(_strided(len(rows), MOST_DISGUISED))])
    families = _families(few, settings.kind, seed=material.recipe.seed)
    for name, pictures, used in (*families, *_other_kind(material, settings.kind)):
        scores = _scores(material, statistics, "outliers", pictures)
        yield try_on(Suspects(name=name, scores=scores, fitted=used), right, settings)


def _families(pictures: Pictures, kind: ImageKind, seed: int) -> Iterator[Family]:
    """Yield pictures of wrong kinds, made from right ones and from nothing; another seed draws other ones."""
    for way in Disguise:
        shown = disguised(torch.from_numpy(pictures), way, white=255).numpy()
        yield f"own pictures {way.value}", np.ascontiguousarray(shown), way in DISGUISES[kind]
    for cells in _TILES:
        yield (
            f"own pictures in {cells} x {cells} shuffled tiles",
            shuffled(pictures, cells=cells, seed=seed),
            True,
        )
    for made in MadeKind:
        drawn = make_pictures(made, count=MADE, size=pictures.shape[1], seed=seed)
        yield made.value, drawn, made in FITTED_KINDS


def _other_kind(material: Material, kind: ImageKind) -> Iterator[Family]:
    """Yield the other modality's pictures, where its manifest is at hand."""
    manifest, name = _OTHER_KIND[kind]
    path = material.workspace.data / manifest
    if path.is_file():
        rows = read_manifest(path)
        some = [rows[k] for k in _strided(len(rows), MOST_DISGUISED)]
        yield name, np.array(material.pixels(some)), False


def _scores(material: Material, statistics: GateStatistics, what: str, pictures: Pictures) -> Scores:
    found = _outputs(material, what, pictures)
    return statistics.scores(found.thumbnails, found.pooled, found.logits)


def _outputs(material: Material, what: str, pictures: Pictures) -> Outputs:
    spec = material.recipe.preprocessing
    return run_network(material.shipped, pictures, spec, lambda i, n: material.advance(what, i, n))


def _strided(count: int, most: int) -> range:
    """Return at most so many indices, evenly spaced: each source keeps its share."""
    return range(0, count, max(1, -(-count // most)))
