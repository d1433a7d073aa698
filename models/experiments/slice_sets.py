"""The two CT sets of Xu et al.: as released, or from the project's manifest; with the rule of their split."""

from dataclasses import dataclass
from pathlib import Path

from models.datasets.data_set import PublishedSplit
from models.datasets.manifest import ImageRow, read_manifest, trainable
from models.datasets.readers import READERS
from models.datasets.split import Split, split_by_group, split_by_image
from models.experiments.choices import SliceSet
from models.experiments.paper_recipes import COVID19_CT, SARS_COV_2_CT
from models.training.recipe import Recipe

_READER_OF_FINE_TUNING = "covid19ct"
_TEST_SHARE = {SARS_COV_2_CT: 0.2, COVID19_CT: 0.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Rows to fit on and rows to score, and how they came apart."""

    root: Path
    training: tuple[ImageRow, ...]
    test: tuple[ImageRow, ...]
    rule: str
    warnings: tuple[str, ...] = ()

    @property
    def pool(self) -> tuple[ImageRow, ...]:
        """All rows."""
        return (*self.training, *self.test)


def sars_cov_2_sides(chosen: SliceSet, data: Path, recipe: Recipe) -> Sides:
    """Return SARS-CoV-2 CT: 80 % to fit, 20 % to score.

    Raises
    ------
    DataMissing
        Neither ``data`` nor the folder of the set's name in it holds the pictures.
    """
    match chosen:
        case SliceSet.RELEASED:
            return _released("sarscov2ct", data, recipe)
        case SliceSet.RELEASED_BLOCKS:
            return _released("sarscov2ct-blocks", data, recipe)
        case SliceSet.MANIFEST | SliceSet.MANIFEST_BY_IMAGE:
            return _from_manifest(chosen, data, recipe, _TEST_SHARE[SARS_COV_2_CT])


def covid19_ct_sides(chosen: SliceSet, data: Path, recipe: Recipe) -> Sides:
    """Return COVID19-CT: the repository's training and test lists, or 75:25 of the manifest's rows."""
    match chosen:
        case SliceSet.RELEASED | SliceSet.RELEASED_BLOCKS:
            return _released(_READER_OF_FINE_TUNING, data, recipe)
        case SliceSet.MANIFEST | SliceSet.MANIFEST_BY_IMAGE:
            return _from_manifest(chosen, data, recipe, _TEST_SHARE[COVID19_CT])


def _released(name: str, data: Path, recipe: Recipe) -> Sides:
    root = data / name if (data / name).is_dir() else data
    found = READERS[name].read(root, seed=recipe.seed)
    split: PublishedSplit = found.split
    return Sides(
        root=root,
        training=split.training,
        test=split.test or split.validation,
        rule=split.rule,
        warnings=found.warnings,
    )


def _from_manifest(chosen: SliceSet, data: Path, recipe: Recipe, share: float) -> Sides:
    rows = trainable(read_manifest(data / recipe.manifest), recipe.labels, recipe.sources)
    by_image = chosen is SliceSet.MANIFEST_BY_IMAGE
    draw = split_by_image if by_image else split_by_group
    split: Split = draw(rows, validation_share=share, seed=recipe.seed)
    how = "picture: leaky, as the paper's" if by_image else "group"
    return Sides(
        root=data,
        training=split.training,
        test=split.validation,
        rule=f"{1 - share:.0%} to fit, {share:.0%} to score, by {how}, seed {recipe.seed}",
    )
