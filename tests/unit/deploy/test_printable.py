"""A text of others can't move the cursor, colour, reorder, hide or add a line; JSON keeps its value."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.shown_text import one_line
from stripeline.deploy.printable import json_line, json_text, lines

UNFIT = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("evt_1:thanks", "evt_1:thanks"),
        ("Zoë 日本 €", "Zoë 日本 €"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\nb\r\tc\x9b", r"a\nb\r\tc\u009b"),
        ("abc\u202edef\u2066", r"abc\u202edef\u2066"),
        ("cus\u200b_1\ufeff", r"cus\u200b_1\ufeff"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("half\ud800", r"half\ud800"),
        ("e" + "\u0301" * 40, "e" + "\u0301" * 3),
    ],
)
def test_a_hostile_text_is_shown_as_escapes(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text(alphabet=st.characters(codec=None)))
def test_one_line_is_one_harmless_line(text: str) -> None:
    assert not any(unicodedata.category(one) in UNFIT for one in one_line(text))
    assert not any(unicodedata.category(one) in UNFIT for one in lines(text) if one != "\n")
    assert lines(text).count("\n") == text.count("\n")


@given(
    st.recursive(
        st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
    )
)
def test_json_is_harmless_and_keeps_its_value(value: object) -> None:
    assert json.loads(json_text(value)) == value
    assert json.loads(json_line(value)) == value
    assert not any(unicodedata.category(one) in UNFIT for one in json_line(value))
    assert json_text("é \U000e0041 \x85") == '"é \\udb40\\udc41 \\u0085"'
