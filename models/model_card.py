"""MODEL_CARD.md from a manifest: nothing in it is written by hand."""

from models.contract import BorderBaseline, ModelCard, ModelComparison, SetScores
from models.evaluation.gate_tables import gate_text
from models.evaluation.tables import (
    baselines_table,
    comparison_table,
    key_figures_table,
    operating_points_table,
    scores_table,
    unknown_labels_list,
    verdict,
)

_SEEN_BY_GATE = (
    "The gate stands on the stored weights, which were fitted on the validation rows too: shares and areas "
    "of validation above flatter it a little. External rows were seen by nothing.\n"
)


def markdown(card: ModelCard) -> str:
    """Return the card for people."""
    parts = [
        f"# {card.name} {card.version}\n\n**{card.intended_use}**\n",
        _what(card),
        _limits(card),
        _key_figures(card),
        _comparison(card),
        _validation(card),
        _baselines(card),
        _operating_points(card),
        _elsewhere(card),
        _gate(card),
        _training(card),
    ]
    return "\n".join(part for part in parts if part)


def _what(card: ModelCard) -> str:
    spec = card.preprocessing
    window = f", window {spec.window.centre}/{spec.window.width} HU" if spec.window else ""
    labels = ", ".join(f"{title} (`{label}`)" for label, title in zip(card.labels, card.titles, strict=True))
    return (
        f"Reads: {card.kind.value.replace('_', ' ')}. Labels: {labels}.\n\n"
        f"Network: `{card.network}`, {card.parameters:,} parameters, {card.megabytes:.2f} MB as float32.\n"
        f"Input: whole image squashed to {spec.common_size} x {spec.common_size} by area, then to "
        f"{spec.input_size} x {spec.input_size}, grey 0..{spec.pixel_scale:g} in {spec.channels} "
        f"channels{window}.\n"
        f"Probabilities: softmax of the logits over {card.temperature:g}, chosen on validation.\n"
        f"Weights: SHA-256 `{card.weights_sha256}`.\n"
    )


def _limits(card: ModelCard) -> str:
    return "\n".join(["## Limits\n", *(f"- {limit}" for limit in card.limits), ""])


def _key_figures(card: ModelCard) -> str:
    if not card.key_figures:
        return ""
    return "\n".join(
        [
            "## Key figures\n",
            "The papers' questions. Beside them, in balanced accuracy, what a logistic regression tells from "
            "the outer four pixels of a 32 x 32 thumbnail (almost no lung) and from the whole thumbnail. The "
            "model chooses freely among all of its labels, the regressions between the classes alone.\n",
            key_figures_table(card.key_figures),
            "",
        ]
    )


def _baselines(card: ModelCard) -> str:
    protocols = sorted({b.protocol for b in card.border_baselines} - {""})
    origin = "; ".join(protocols) or "as the data's notes give it"
    return "\n".join(
        [
            "## Border baselines\n",
            "Balanced accuracy of a logistic regression on a 32 x 32 thumbnail of the same pictures "
            f"({origin}): what the outer four pixels alone can tell, almost without lung.\n",
            baselines_table(card.border_baselines),
            "",
        ]
    )


def _comparison(card: ModelCard) -> str:
    if card.compared is None:
        return ""
    return "\n".join(
        [
            f"## Against {card.compared.other}\n",
            f"{_beats(card.name, card.compared)} Differences on the same validation rows; 95 % intervals by "
            "paired bootstrap over groups.\n",
            comparison_table(card.compared),
            "",
        ]
    )


def _beats(name: str, compared: ModelComparison) -> str:
    told = verdict(compared.overall.macro_f1)
    match told:
        case "better":
            return f"In macro F1 {name} beats {compared.other} by a margin outside the interval."
        case "worse":
            return f"In macro F1 {name} is worse than {compared.other} by a margin outside the interval."
        case _:
            return f"{name} does **not** beat {compared.other} in macro F1 by a margin outside the interval."


def _validation(card: ModelCard) -> str:
    return "\n".join(
        [
            "## Validation (whole groups held out; 95 % intervals by group bootstrap)\n",
            _scores(card, card.validation, None),
            "### By source\n",
            *(
                f"**{source}**\n\n{_scores(card, scores, source)}"
                for source, scores in card.validation_by_source.items()
            ),
        ]
    )


def _elsewhere(card: ModelCard) -> str:
    if not card.external and not card.unknown_labels:
        return "## External rows\n\nNone.\n"
    titles = titles_of(card)
    blocks = [f"**{source}**\n\n{scores_table(titles, scores)}" for source, scores in card.external.items()]
    unknown = [
        "### Labels that the model has no class for, by its answer\n",
        unknown_labels_list(card.unknown_labels),
        "",
    ]
    return "\n".join(
        ["## External rows (never trained on)\n", *blocks, *(unknown if card.unknown_labels else ())]
    )


def titles_of(card: ModelCard) -> dict[str, str]:
    """Return the labels in the model's order with their names for people."""
    return dict(zip(card.labels, card.titles, strict=True))


def _scores(card: ModelCard, scores: SetScores, source: str | None) -> str:
    """Return scores of validation rows beside the border baseline of the same rows, if it was computed."""
    computed = (b for b in card.border_baselines if b.border is not None and b.source == source)
    baseline: BorderBaseline | None = next(computed, None)
    return scores_table(titles_of(card), scores, baseline)


def _operating_points(card: ModelCard) -> str:
    return "\n".join(
        [
            "## Operating points\n",
            "A label counts as present from this probability on. Chosen on the validation rows by the "
            "highest sensitivity + specificity; the figures are of the same rows and flatter the choice a "
            "little.\n",
            operating_points_table(titles_of(card), card.operating_points),
            "",
        ]
    )


def _gate(card: ModelCard) -> str:
    if card.gate is None:
        return ""
    return gate_text(card.gate) + (_SEEN_BY_GATE if card.training.validation_seen else "")


def _training(card: ModelCard) -> str:
    t = card.training
    rows = [
        f"| {source} | "
        + ", ".join(f"{label} {n}" for label, n in counts.items())
        + f" | {t.licences[source]} |"
        for source, counts in t.rows.items()
    ]
    fitted = sum(sum(counts.values()) for counts in t.rows.values())
    left_out = ", ".join(f"{name} {n}" for name, n in t.left_out.items()) or "none"
    return "\n".join(
        [
            "## Training\n",
            f"{fitted} pictures of {t.groups} groups (validation: {t.validation_rows} of "
            f"{t.validation_groups}), {t.epochs:g} epochs, {t.steps} steps, {t.hours:g} hours on {t.device}; "
            f"seed {t.seed}; {t.date}; code {t.code_commit}; `{t.manifest}` SHA-256 {t.manifest_sha256}.\n",
            "| source | pictures fitted | licence as stated by the source |",
            "|---|---|---|",
            *rows,
            f"\nNot used: {left_out}.\n",
            *(f"- {name}: {value}" for name, value in t.recipe.items()),
            "",
        ]
    )
