"""Regular expressions of rules: bounded in size when they are read, in time when they are searched for."""

import time

import pytest

from dicom_node.routing.expressions import TIME_LIMIT_S, TooSlow, check_expression, is_found

EVIL = "(a|aa)+$"


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        "[z-a]",
        "*",
        "a" * 501,
        "((((a{1000}){1000}){1000}){1000})",
        "(a{101}){100}",
        "(?P<n>a)(?P<n",
        "(" * 250 + ")" * 249,
    ],
)
def test_what_is_no_expression_or_would_fill_the_memory_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"no regular expression|longer than|repetitions"):
        check_expression(expression)


def test_an_expression_is_searched_for_and_case_is_ignored() -> None:
    assert check_expression(r"thorax|\bchest\b") == r"thorax|\bchest\b"
    assert is_found(r"\bchest\b", "CT Chest, native")
    assert not is_found(r"\bchest\b", "orchestra")


def test_a_search_that_would_take_for_ever_ends_at_the_time_limit() -> None:
    check_expression(EVIL)
    before = time.process_time()
    with pytest.raises(TooSlow):
        is_found(EVIL, "a" * 256 + "!")
    assert time.process_time() - before < 20 * TIME_LIMIT_S
