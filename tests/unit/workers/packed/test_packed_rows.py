"""What has ended, packed: the same rows in the same order as in a dict, in a fraction of its memory."""

import hashlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripeline.workers.packed import hash_index, key_filter
from stripeline.workers.packed.packed_rows import PackedRows
from tests.support.small_blocks import small_blocks

KEYS = [f"evt_{number}" for number in range(30)]
STEPS = st.tuples(
    st.sampled_from(["put", "put", "load", "load", "load", "get", "remove", "oldest", "len", "start again"]),
    st.sampled_from(KEYS),
    st.binary(max_size=9),
)


@given(st.lists(STEPS, max_size=150), st.sampled_from([1, 3, 1 << 32]))
@settings(max_examples=300)
def test_rows_are_those_of_a_dict_in_the_order_of_last_puts(steps, hashes):
    """hashes: how many different ones there are."""
    rows, model = PackedRows(), {}
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        for module in (hash_index, key_filter):
            patch.setattr(module, "hash", lambda key: int(key[4:]) % hashes, raising=False)
        for step, key, value in steps:
            match step:
                case "put" | "load":
                    (rows.put if step == "put" else rows.load)(key, value)
                    model.pop(key, None)
                    model[key] = value
                case "get":
                    assert rows.get(key) == model.get(key)
                case "remove":
                    assert rows.remove(key) == (model.pop(key, None) is not None)
                case "len":
                    assert len(rows) == len(model)
                case "start again":
                    blocks, rows = rows.blocks(), PackedRows()
                    for block in blocks:
                        rows.load_block(block)
                case _:
                    assert rows.oldest(5) == list(model.items())[:5]
        assert len(rows) == len(model)
        assert rows.oldest(1_000) == list(model.items())
        assert {key: rows.get(key) for key in KEYS} == {key: model.get(key) for key in KEYS}


LOADS = st.tuples(
    st.sampled_from(["load", "load", "load", "load", "load", "load", "put", "get", "remove"]),
    st.sampled_from(KEYS[:9]),
    st.binary(max_size=9),
)


@given(st.lists(LOADS, min_size=20, max_size=60), st.sampled_from([1, 3, 1 << 32]))
def test_rows_that_are_loaded_replace_those_before(steps, hashes):
    """As a restore does it: many are loaded before one is put."""
    rows, model = PackedRows(), {}
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        for module in (hash_index, key_filter):
            patch.setattr(module, "hash", lambda key: int(key[4:]) % hashes, raising=False)
        for step, key, value in steps:
            if step == "get":
                assert rows.get(key) == model.get(key)
                continue
            found = model.pop(key, None)
            if step != "remove":
                (rows.put if step == "put" else rows.load)(key, value)
                model[key] = value
            else:
                assert rows.remove(key) == (found is not None)
        assert {key: rows.get(key) for key in KEYS} == {key: model.get(key) for key in KEYS}
        assert (len(rows), rows.oldest(1_000)) == (len(model), list(model.items()))


def test_a_key_that_was_absent_is_found_once_it_is_loaded(monkeypatch):
    small_blocks(monkeypatch)
    rows = PackedRows()
    assert rows.get("k2") is None
    for number in range(3):
        rows.load(f"k{number}", b"%d" % number)
    assert (rows.get("k2"), rows.remove("k2"), rows.get("k2"), len(rows)) == (b"2", True, None, 2)


def test_a_packed_command_takes_at_most_64_bytes():
    record = b'{"status":"succeeded","digest":"%s","revision":0,"at":%d}'
    rows = PackedRows()
    tracemalloc.start()
    try:
        for number in range(40_000):
            chance = hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest()
            key = f"evt_1Tk{number // 100:03}2eZvKYlo2C{chance[:14]}:thank-big-spenders:deposit"
            rows.put(key, record % (chance[:24].encode(), 1_764_500_000_000 + 20 * number))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    newest = sum(len(key) + len(value) + 200 for key, value in rows._newest.items())
    assert (used - newest) / 40_000 < 64
