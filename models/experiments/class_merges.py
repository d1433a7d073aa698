"""Recipes for fewer classes (Jia et al. Table 5): labels and partial labels follow the rows' merge."""

from dataclasses import replace

from models.datasets.label_merges import LabelMerge
from models.datasets.manifest import ImageRow
from models.training.recipe import PartialLabel, Recipe

MERGES = {5: LabelMerge.FIVE, 4: LabelMerge.FOUR, 3: LabelMerge.THREE}
_TITLES = {"pneumonia": "Non-COVID-19 pneumonia", "non_covid_infection": "Non-COVID-19 infection"}


def merged_recipe(recipe: Recipe, merge: LabelMerge) -> Recipe:
    """Return the recipe for merged labels, in the order in which they first occur.

    A partial label whose answers have become one class is that class from then on.
    """
    titles = dict(zip(recipe.labels, recipe.titles, strict=True))
    labels = tuple(dict.fromkeys(merge.mapping.get(label, label) for label in recipe.labels))
    if labels == recipe.labels:
        return recipe
    return replace(
        recipe,
        name=f"{recipe.name}-{len(labels)}-classes",
        labels=labels,
        titles=tuple(titles.get(label) or _TITLES.get(label, label) for label in labels),
        partial_labels=_still_partial(recipe.partial_labels, merge, labels),
    )


def labels_read(recipe: Recipe) -> tuple[str, ...]:
    """Return the labels of rows that the recipe can use: its classes and those that only narrow an answer."""
    return (*recipe.labels, *(partial.label for partial in recipe.partial_labels))


def with_whole_label(rows: tuple[ImageRow, ...], recipe: Recipe) -> tuple[ImageRow, ...]:
    """Return the rows that can be scored."""
    return tuple(row for row in rows if row.label in recipe.labels)


def _still_partial(
    partial_labels: tuple[PartialLabel, ...], merge: LabelMerge, labels: tuple[str, ...]
) -> tuple[PartialLabel, ...]:
    renamed = (
        replace(
            partial,
            label=merge.mapping.get(partial.label, partial.label),
            one_of=tuple(dict.fromkeys(merge.mapping.get(label, label) for label in partial.one_of)),
        )
        for partial in partial_labels
    )
    return tuple(partial for partial in renamed if partial.label not in labels)
