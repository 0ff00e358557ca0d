"""A stranger's text on one line of a log or a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.shown_text import shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("/webhooks/pay", "/webhooks/pay"),
        ("a\x1b[31m\r\nb", "a\\x1b[31m\\r\\nb"),
        ("a\u202eb\udc80", "a\\u202eb\\udc80"),
        ("/webhooks/whsec_abcdefgh", "/webhooks/whsec_…masked"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, seen: str):
    assert shown(text) == seen


@given(st.text(max_size=400), st.integers(1, 50))
def test_it_prints_on_one_line_within_its_limit(text: str, limit: int):
    seen = shown(text, limit)
    assert (seen.isprintable(), len(seen) <= limit) == (True, True)


def test_a_secret_is_masked_before_the_text_is_cut():
    assert "abc" not in shown("x" * 20 + "whsec_abcdefgh", 30)
