"""The index of packed rows: whatever the hashes are, each key is found at its places, and nowhere once removed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.packed import hash_index
from stripeline.workers.packed.hash_index import HashIndex

HASHES = st.sampled_from([0, 1, 2, 3, 0x0101_0101, 0x0101_0100, 0x0100_0000, 0xFFFF_FFFF])
"""Alike, and alike where two entries meet, so that one is found in the middle of another."""


@given(st.lists(HASHES, min_size=6, max_size=6), st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_a_key_is_found_at_its_places_and_no_others(hashes, steps):
    """Against a model. `hashes` are those of six keys; each step adds a key at a new place or removes its oldest."""
    index, model = HashIndex(), {f"k{number}": [] for number in range(6)}
    place = 0x0101_0100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_index, "_SHARD_ENTRIES", 2)
        patch.setattr(hash_index, "hash", lambda key: hashes[int(key[1:])], raising=False)
        for adds, number in steps:
            places = model[f"k{number}"]
            if adds:
                index.add([f"k{number}"], place)
                places.append(place)
                place += 1
            elif places:
                index.remove(f"k{number}", places.pop(0))
            assert len(index) == sum(map(len, model.values()))
            for key, hashed in zip(model, hashes, strict=True):
                alike = [one for other, one in zip(hashes, model.values(), strict=True) if other == hashed]
                assert sorted(index.places(key)) == sorted(place for places in alike for place in places)


def test_an_entry_is_not_removed_from_the_middle_of_two(monkeypatch):
    """The place of one and the hash of the next are as the hash and the place of a third."""
    monkeypatch.setattr(hash_index, "hash", {"a": 1, "b": 9, "c": 7, "d": 4}.get, raising=False)
    index = HashIndex()
    for key, place in (("a", 7), ("b", 2), ("c", 9), ("d", 3)):
        index.add([key], place)
    index.remove("c", 9)
    assert [list(index.places(key)) for key in "abcd"] == [[7], [2], [], [3]]


def test_keys_that_are_added_together_have_places_in_a_row():
    index = HashIndex()
    index.add(["a", "b", "c"], 7)
    assert [list(index.places(key)) for key in "abcd"] == [[7], [8], [9], []]


def test_shards_stay_small_as_the_index_grows():
    index = HashIndex()
    index.add([f"evt_{number}:thanks:deposit" for number in range(100_000)], 0)
    assert len(index._shards) == -(-100_000 // hash_index._SHARD_ENTRIES)
    assert max(map(len, index._shards)) < 8 * 4 * hash_index._SHARD_ENTRIES
