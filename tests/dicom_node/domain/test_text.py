"""What a terminal would obey is shown; what people write stays."""

import pytest

from dicom_node.domain.text import printable


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J", "\x1b]0;title\x07", "a\0b", "a\nb", "\x9b31m", "user\u202etxt", "a\u2028b", "\ud800"],
)
def test_what_would_be_obeyed_is_replaced(hostile: str) -> None:
    shown = printable(hostile)
    assert len(shown) == len(hostile)
    assert "\ufffd" in shown
    assert not {"\x1b", "\0", "\n", "\x9b", "\u202e", "\u2028", "\ud800"} & set(shown)


@pytest.mark.parametrize(
    "name",
    [
        "MÜLLER^JÖRG",
        "山田^太郎=やまだ^たろう",
        "김^희중",
        "عبد^الله",
        "נתן",
        "क्षत्रिय",
        "山田\u3000太郎",
        "[/b]<i>&",
    ],
)
def test_what_people_write_stays(name: str) -> None:
    assert printable(name) == name
