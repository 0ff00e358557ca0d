"""A key that was given before is never taken for a new one, whatever the hashes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.packed import key_filter
from stripeline.workers.packed.key_filter import KeyFilter

HASHES = st.sampled_from([0, 1, 7, 8, 9, -1, 1 << 40, (1 << 40) + 8, -(1 << 40)])


@given(st.lists(HASHES, min_size=6, max_size=6), st.lists(st.lists(st.integers(0, 5), max_size=6), max_size=20))
def test_a_key_that_was_given_is_never_new(hashes, groups):
    found = KeyFilter()
    before = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_filter, "hash", lambda key: hashes[int(key)], raising=False)
        for group in groups:
            keys = [str(number) for number in group]
            again = found.perhaps_again(keys)
            expected = []
            for key in keys:
                if hashes[int(key)] in before:
                    expected.append(key)
                before.add(hashes[int(key)])
            assert set(expected) <= set(again)


def test_most_new_keys_are_told_from_those_before():
    found = KeyFilter()
    assert len(found.perhaps_again([f"evt_{number}" for number in range(100_000)])) < 1_000
