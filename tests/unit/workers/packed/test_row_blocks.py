"""Rows in compressed blocks: what was appended is there until it is removed, whatever the hashes of the keys."""

from stripeline.workers.packed import hash_index, row_blocks
from stripeline.workers.packed.row_blocks import BLOCK_ROWS, RowBlocks


def appended(blocks, given):
    blocks.append([key for key, _ in given], [value for _, value in given])


def rows(first, count=BLOCK_ROWS):
    return [(f"k{number}", b"%d" % number) for number in range(first, first + count)]


def test_rows_are_there_in_order_until_they_are_removed():
    blocks = RowBlocks()
    appended(blocks, rows(0))
    appended(blocks, rows(BLOCK_ROWS, 3))
    assert (len(blocks), blocks.get("k5"), blocks.get("k257"), blocks.get("k999")) == (259, b"5", b"257", None)
    assert (blocks.remove("k5"), blocks.remove("k5"), blocks.get("k5"), len(blocks)) == (True, False, None, 258)
    assert list(blocks.rows()) == [*rows(0, 5), *rows(6, 253)]


def test_a_hash_that_two_keys_share_finds_each_of_them(monkeypatch):
    monkeypatch.setattr(hash_index, "hash", lambda _: 7, raising=False)
    blocks = RowBlocks()
    appended(blocks, rows(0, 3))
    appended(blocks, rows(3, 3))
    assert [blocks.get(f"k{number}") for number in range(7)] == [b"0", b"1", b"2", b"3", b"4", b"5", None]
    assert (blocks.remove("k4"), blocks.get("k4"), blocks.get("k3"), blocks.get("k5")) == (True, None, b"3", b"5")


def test_a_row_that_is_appended_again_is_there_once():
    blocks = RowBlocks()
    appended(blocks, rows(0, 3))
    blocks.remove("k1")
    appended(blocks, [("k1", b"again"), ("k9", b"9")])
    assert (blocks.get("k1"), list(blocks.rows())) == (
        b"again",
        [*rows(0, 1), *rows(2, 1), ("k1", b"again"), ("k9", b"9")],
    )


def test_a_block_goes_with_its_last_row():
    blocks = RowBlocks()
    for first in range(0, 10 * BLOCK_ROWS, BLOCK_ROWS):
        appended(blocks, rows(first))
    for key, _ in rows(0, 9 * BLOCK_ROWS):
        blocks.remove(key)
    assert (len(blocks._blocks), len(blocks._there), len(blocks)) == (1, 1, BLOCK_ROWS)
    assert list(blocks.rows()) == rows(9 * BLOCK_ROWS)


def test_few_blocks_are_open_at_a_time():
    blocks = RowBlocks()
    for first in range(0, 10 * BLOCK_ROWS, BLOCK_ROWS):
        appended(blocks, rows(first))
    assert [blocks.get(f"k{number}") for number in range(0, 10 * BLOCK_ROWS, 100)] == [
        b"%d" % number for number in range(0, 10 * BLOCK_ROWS, 100)
    ]
    assert len(blocks._open) == row_blocks._OPEN_BLOCKS


def test_block_numbers_that_begin_again_pass_those_in_use(monkeypatch):
    monkeypatch.setattr(row_blocks, "_NUMBERS", 4)
    blocks = RowBlocks()
    for first in range(4):
        appended(blocks, rows(10 * first, 3))
    for key, _ in (*rows(10, 3), *rows(30, 3)):  # the blocks 1 and 3
        blocks.remove(key)
    appended(blocks, rows(40, 3))
    appended(blocks, rows(50, 3))
    assert list(blocks.rows()) == [*rows(0, 3), *rows(20, 3), *rows(40, 3), *rows(50, 3)]
    assert [blocks.get(f"k{number}") for number in (0, 10, 20, 30, 40, 50)] == [b"0", None, b"20", None, b"40", b"50"]


def test_blocks_are_loaded_without_the_rows_that_were_removed():
    blocks, loaded = RowBlocks(), RowBlocks()
    appended(blocks, rows(0))
    appended(blocks, rows(BLOCK_ROWS, 3))
    for key in ("k0", "k7", "k257"):
        blocks.remove(key)
    for block in blocks.blocks():
        loaded.load(block)
    assert (len(loaded), list(loaded.rows())) == (len(blocks), list(blocks.rows()))
    assert [loaded.get(key) for key in ("k0", "k7", "k257", "k1", "k258")] == [None, None, None, b"1", b"258"]
    assert (loaded.remove("k7"), loaded.remove("k8"), len(loaded)) == (False, True, len(blocks) - 1)
