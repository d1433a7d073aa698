"""What the chest gate lets through and what it refuses, as tables."""

from collections.abc import Iterable, Mapping

from models.contract import COMBINED, GateScore, GateSettings, ImageKind, OutlierFamily, PassShare
from models.evaluation.tables import MISSING, table

SCORE_NAMES = (*(score.value for score in GateScore), COMBINED)
_PICTURES = {ImageKind.CHEST_RADIOGRAPH: "films", ImageKind.CHEST_CT: "slices"}
_SCORES = (
    "`distance`: Mahalanobis distance of the pooled features within their main directions; `residual`: what "
    "these directions leave; `energy`: of the logits, which decides nothing; `template`: a thumbnail against "
    "those of training and the same ones shown wrongly; `axis`: along the direction that tells features of "
    "training pictures from those of made outliers. Each has a limit that 98.5 % keep; `combined` is the "
    "largest of them, each counted from a typical picture (0) to its limit (1)."
)


def gate_text(gate: GateSettings) -> str:
    """Return the card's section."""
    pictures = _PICTURES[gate.kind]
    parts = [
        "## Chest gate\n",
        f"Refused are {pictures} that are too small, blank, saturated, framed or noise, and those whose "
        f"features or thumbnail lie more than {gate.most_excess:.2f} times as far out as the limits "
        f"{', '.join(f'{name.value} {at.limit:.4g}' for name, at in gate.limits.items())}. "
        f"{gate.validation_pass_share:.1%} of the validation {pictures} pass.\n",
    ]
    if gate.pass_by_source:
        parts += [
            "Validation is judged here by limits chosen on the other half of its groups; external rows were "
            "neither fitted on nor chosen by.\n",
            passes_table(gate.pass_by_source),
            "",
        ]
    if gate.families:
        parts += [
            "### Pictures of a wrong kind: area under the ROC curve against validation\n",
            f"{_SCORES}\n",
            families_table(gate.families),
            "",
        ]
    parts += [f"- {name}: {share:.1%} refused" for name, share in gate.refused_share.items()]
    return "\n".join([*parts, ""])


def passes_table(passes: Mapping[str, PassShare]) -> str:
    """Return how many of each source's right pictures pass; what is below 98 % is marked."""
    return table(
        ("source", "rows", "pass"),
        [
            (source, str(share.rows), f"{share.share:.1%}" + (" (below 98 %)" if share.share < 0.98 else ""))
            for source, share in passes.items()
        ],
    )


def families_table(families: Iterable[OutlierFamily]) -> str:
    """Return each wrong kind's areas, score by score, and the share of it that is refused."""
    return table(
        ("pictures", "rows", "the like fitted on", *SCORE_NAMES, "refused"),
        [
            (
                family.name,
                str(family.rows),
                "yes" if family.fitted else "no",
                *(_area(family.roc_auc.get(name)) for name in SCORE_NAMES),
                f"{family.refused:.1%}",
            )
            for family in families
        ],
    )


def _area(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"
