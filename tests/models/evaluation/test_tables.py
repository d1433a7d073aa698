"""Tables and pages say what the figures say."""

from models.contract import Difference, Estimate, ModelCard, ModelComparison
from models.evaluation.models_page import page
from models.evaluation.tables import comparison_table, figure, gain, table
from models.installation import installed
from models.model_card import markdown


def _comparison(low: float, high: float) -> ModelComparison:
    middle = Estimate(value=(low + high) / 2, low=low, high=high)
    one = Difference(rows=9, groups=8, accuracy=middle, balanced_accuracy=middle, macro_f1=middle)
    return ModelComparison(other="baseline", overall=one, by_source={"far": one})


def _card(comparison: ModelComparison | None = None) -> ModelCard:
    return installed()[0].model_copy(update={"compared": comparison})


def test_a_figure_has_its_interval_where_there_is_one() -> None:
    assert figure(Estimate(value=0.5)) == "0.500"
    assert figure(Estimate(value=0.5, low=0.25, high=0.75)) == "0.500 [0.250, 0.750]"
    assert figure(None) == "n/a"
    assert gain(Estimate(value=-0.01, low=-0.02, high=0.0)) == "-0.010 [-0.020, +0.000]"


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_a_card_says_plainly_that_a_model_does_not_beat_its_baseline() -> None:
    assert "does **not** beat baseline" in markdown(_card(_comparison(-0.01, 0.05)))
    assert "beats baseline by a margin" in markdown(_card(_comparison(0.01, 0.05)))
    assert "is worse than baseline" in markdown(_card(_comparison(-0.05, -0.01)))
    assert "baseline by" not in markdown(_card())


def test_a_comparison_has_a_row_for_all_and_for_each_source() -> None:
    lines = comparison_table(_comparison(0.01, 0.03)).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| all", "| far"]
    assert "+0.020 [+0.010, +0.030]" in lines[2]


def test_the_page_names_every_model_and_the_commands_that_made_it() -> None:
    cards = installed()
    text = page(cards)
    for card in cards:
        assert f"| {card.name} {card.version} |" in text
        assert f"dicom-node models export {card.name}`" in text
        assert card.training.manifest_sha256[:12] in text
    better = page([_card(_comparison(0.01, 0.03))])
    assert "less baseline: better" in better
