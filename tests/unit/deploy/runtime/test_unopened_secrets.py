"""The sentence about secrets that a process can't open."""

from stripeline.deploy.runtime.unopened_secrets import unopened
from stripeline.workers.secrets.vault import KeyNotHeldError


def test_a_thousand_secrets_make_one_short_sentence():
    closed = {f"c{number:04}": KeyNotHeldError("", f"{number:08x}") for number in range(1_000)}
    words = unopened("keys", closed)
    assert "c0004 (sealed with master key 00000004) and 995 more can't be opened" in words
    assert len(words) < 500
