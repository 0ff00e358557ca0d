"""Sessions: what is signed holds for twelve hours and for what it was made from, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.auth.sign_in_session import LIFETIME_S, Holder, session_holder, session_text

KEY, NOW_S = bytes(32), 1_764_470_000
ADA = Holder(name="ada@example.com", role=ConsoleRole.OPERATOR, proof=b"ada operator scrypt$...")
TEXT = session_text(KEY, ADA, NOW_S)


def holder(text: str, *known: Holder, key: bytes = KEY, now_s: float = NOW_S) -> Holder | None:
    return session_holder(key, text, lambda name: [one for one in known if one.name == name], now_s)


@pytest.mark.parametrize(
    ("after_s", "holds"),
    [(0, True), (LIFETIME_S - 1, True), (LIFETIME_S, False), (-60, True), (-61, False), (10 * LIFETIME_S, False)],
)
def test_a_session_lasts_twelve_hours(after_s: int, holds: bool) -> None:
    assert (holder(TEXT, ADA, now_s=NOW_S + after_s) == ADA) is holds


def test_a_session_is_of_its_key_line_and_name() -> None:
    replaced = Holder(name=ADA.name, role=ConsoleRole.OPERATOR, proof=b"another line")
    other = Holder(name="grace", role=ConsoleRole.OPERATOR, proof=ADA.proof)
    assert holder(TEXT, replaced, ADA) == ADA
    assert holder(TEXT, replaced) is None
    assert holder(TEXT, other) is None
    assert holder(TEXT) is None
    assert holder(TEXT, ADA, key=b"1" * 32) is None


@given(st.integers(0, len(TEXT) - 1), st.characters(max_codepoint=0x2FF))
def test_a_changed_character_ends_it(at: int, other: str) -> None:
    changed = TEXT[:at] + other + TEXT[at + 1 :]
    # The last character of base64 has bits that say nothing: such a text is the same MAC.
    assert changed[:-1] == TEXT[:-1] or holder(changed, ADA) is None


@given(st.text(max_size=200) | st.from_regex(r"1\.[\w-]{0,9}\.\d{0,14}\.[\w-]{0,50}", fullmatch=True))
def test_no_text_of_others_is_a_session_or_an_error(text: str) -> None:
    assert holder(text, ADA, Holder(name="", role=ConsoleRole.OPERATOR, proof=b"")) is None


def test_the_proof_is_not_in_the_cookie() -> None:
    assert TEXT.count(".") == 3
    assert "scrypt" not in repr(ADA)
