"""MODEL_CARD.md from a manifest: nothing in it is written by hand."""

from models.contract import Estimate, LabelScores, ModelCard, SetScores


def markdown(card: ModelCard) -> str:
    """Return the card for people."""
    parts = [
        f"# {card.name} {card.version}\n\n**{card.intended_use}**\n",
        _what(card),
        _limits(card),
        _validation(card),
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
    baselines = [
        f"| {b.task} | {b.border_only:.3f} | {b.whole_thumbnail:.3f} | {b.chance:.2f} |"
        for b in card.border_baselines
    ]
    return "\n".join(
        [
            "## Limits\n",
            *(f"- {limit}" for limit in card.limits),
            "\nBalanced accuracy of a logistic regression on a 32 x 32 thumbnail of the same "
            "pictures, as the data's notes give it: what the outer four pixels alone can tell, almost "
            "without lung.\n",
            "| task | border only | whole thumbnail | chance |",
            "|---|---|---|---|",
            *baselines,
            "",
        ]
    )


def _validation(card: ModelCard) -> str:
    return "\n".join(
        [
            "## Validation (whole groups held out; 95 % intervals by group bootstrap)\n",
            scores_table(card, card.validation),
            "### By source\n",
            *(
                f"**{source}**\n\n{scores_table(card, scores)}"
                for source, scores in card.validation_by_source.items()
            ),
        ]
    )


def _elsewhere(card: ModelCard) -> str:
    if not card.external and not card.unknown_labels:
        return "## External rows\n\nNone.\n"
    blocks = [f"**{source}**\n\n{scores_table(card, scores)}" for source, scores in card.external.items()]
    unknown = [
        f"- {name}: " + ", ".join(f"{label} {n}" for label, n in counts.items())
        for name, counts in card.unknown_labels.items()
    ]
    heading = ["### Labels that the model has no class for, by its answer\n", *unknown, ""] if unknown else []
    return "\n".join(["## External rows (never trained on)\n", *blocks, *heading])


def scores_table(card: ModelCard, scores: SetScores) -> str:
    """Return one set of scores and its confusion matrix as Markdown tables."""
    head = [
        f"{scores.rows} rows of {scores.groups} groups. Accuracy {_figure(scores.accuracy)}"
        + (f", balanced accuracy {_figure(scores.balanced_accuracy)}" if scores.balanced_accuracy else "")
        + (f", macro F1 {_figure(scores.macro_f1)}" if scores.macro_f1 else "")
        + (
            f", expected calibration error {scores.expected_calibration_error:.3f}"
            if scores.expected_calibration_error is not None
            else ""
        )
        + ".\n",
        "| label | rows | precision | sensitivity | specificity | F1 |",
        "|---|---|---|---|---|---|",
    ]
    body = [_label_row(card.title_of(label), row) for label, row in scores.labels.items()]
    answered = [
        "\nAnswered as:\n",
        "| is | " + " | ".join(card.titles) + " |",
        "|---" * (len(card.labels) + 1) + "|",
    ]
    confusion = [
        f"| {card.title_of(label)} | " + " | ".join(str(counts[column]) for column in card.labels) + " |"
        for label, counts in scores.confusion.items()
    ]
    return "\n".join([*head, *body, *answered, *confusion, ""])


def _label_row(title: str, row: LabelScores) -> str:
    figures = " | ".join(_figure(e) for e in (row.precision, row.sensitivity, row.specificity, row.f1))
    return f"| {title} | {row.rows} | {figures} |"


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return "n/a"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _operating_points(card: ModelCard) -> str:
    rows = [
        f"| {card.title_of(label)} | {at.threshold:.4f} "
        f"| {_figure(at.sensitivity)} | {_figure(at.specificity)} |"
        for label, at in card.operating_points.items()
    ]
    return "\n".join(
        [
            "## Operating points\n",
            "A label counts as present from this probability on. Chosen on the validation rows by the "
            "highest sensitivity + specificity; the figures are of the same rows and flatter the choice a "
            "little.\n",
            "| label | threshold | sensitivity | specificity |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _gate(card: ModelCard) -> str:
    if card.gate is None:
        return ""
    refused = [f"- {name}: {share:.1%} refused" for name, share in card.gate.refused_share.items()]
    return "\n".join(
        [
            "## Chest gate\n",
            "Blank and saturated films are refused; so are films that correlate less than "
            f"{card.gate.least_resemblance:.2f} with the mean training film, or whose features lie "
            f"farther than {card.gate.most_distance:.1f} from the training films'. "
            f"{card.gate.validation_pass_share:.1%} of the validation films pass.\n",
            *refused,
            "",
        ]
    )


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
